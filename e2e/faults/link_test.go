package faults

import (
	"io"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// A link carries bytes between a laptop and a server, counts them, and fails as its fields say. The zero values mean
// that it doesn't.
type link struct {
	weather

	url      string
	received atomic.Int64 // bytes that went to the laptop, headers and all
	lifted   atomic.Bool  // it doesn't fail any more
	server   string
	began    time.Time
	mu       sync.Mutex
	until    time.Time // it is down, once
	conns    map[net.Conn]bool
}

// The weather is how a link fails; the zero value is fair.
type weather struct {
	Every   int           // bytes to the laptop after which a connection drops
	Period  time.Duration // in each of which it is
	Down    time.Duration // down so long, at its end
	Latency time.Duration // to the laptop
	Rate    int           // bytes a second to the laptop, for each connection
	After   int64         // bytes to the laptop after which it is down once,
	For     time.Duration // so long
}

// lay begins to carry.
func (l *link) lay(t *testing.T, serverURL string) {
	t.Helper()
	u, err := url.Parse(serverURL)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.server, l.began, l.conns = u.Host, time.Now(), map[net.Conn]bool{}
	l.url = "http://" + listener.Addr().String()
	closed := make(chan struct{})
	t.Cleanup(func() { close(closed); listener.Close(); l.drop() })
	if l.Period > 0 {
		go func() {
			next := time.NewTimer(l.Period - l.Down)
			defer next.Stop()
			for {
				select {
				case <-next.C:
					if !l.lifted.Load() {
						l.drop()
					}
					next.Reset(l.Period)
				case <-closed:
					return
				}
			}
		}()
	}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go l.carry(conn.(*net.TCPConn))
		}
	}()
}

// down tells whether nothing gets through now.
func (l *link) down() bool {
	if l.lifted.Load() {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return time.Now().Before(l.until) || l.Period > 0 && time.Since(l.began)%l.Period > l.Period-l.Down
}

// drop ends all connections. What is on its way arrives.
func (l *link) drop() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for c := range l.conns {
		c.Close()
	}
}

func (l *link) carry(laptop *net.TCPConn) {
	defer laptop.Close()
	if l.down() {
		return
	}
	server, err := net.Dial("tcp", l.server)
	if err != nil {
		return
	}
	defer server.Close()
	l.mu.Lock()
	l.conns[server] = true
	l.mu.Unlock()
	defer func() {
		l.mu.Lock()
		delete(l.conns, server)
		l.mu.Unlock()
	}()
	go func() {
		io.Copy(server, laptop)
		server.Close()
	}()
	// What is on its way waits in a queue until it is due.
	type chunk struct {
		bytes []byte
		due   time.Time
	}
	way := make(chan chunk, 1<<10)
	go func() {
		defer close(way)
		left := l.Every
		due := time.Now()
		for {
			buf := make([]byte, 8<<10)
			if l.Every > 0 && !l.lifted.Load() {
				buf = buf[:min(len(buf), left)]
			}
			n, err := server.Read(buf)
			if l.Rate > 0 {
				if now := time.Now(); due.Before(now) {
					due = now
				}
				due = due.Add(time.Duration(n) * time.Second / time.Duration(l.Rate))
				time.Sleep(time.Until(due))
			}
			way <- chunk{buf[:n], time.Now().Add(l.Latency)}
			left -= n
			if err != nil || l.Every > 0 && left <= 0 && !l.lifted.Load() {
				return
			}
		}
	}()
	for c := range way {
		time.Sleep(time.Until(c.due))
		n, err := laptop.Write(c.bytes)
		all := l.received.Add(int64(n))
		if err != nil {
			server.Close()
			for range way { // to its end
			}
			return
		}
		if l.After > 0 && all >= l.After && all-int64(n) < l.After {
			l.mu.Lock()
			l.until = time.Now().Add(l.For)
			l.mu.Unlock()
			l.drop()
		}
	}
}
