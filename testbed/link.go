// SPDX-License-Identifier: GPL-2.0-or-later

package testbed

import (
	"io"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"time"
)

// A Link carries bytes between laptops and a server, counts them, and fails as its weather says.
type Link struct {
	URL      string       // of the server, for laptops
	Received atomic.Int64 // bytes that went to laptops, headers and all
	Lifted   atomic.Bool  // it doesn't fail any more

	weather  Weather
	server   string
	listener net.Listener
	closed   chan struct{}
	began    time.Time
	mu       sync.Mutex
	until    time.Time // it is down, once
	conns    map[net.Conn]bool
	marks    []mark
}

// A mark is what is done when so many bytes have gone to laptops.
type mark struct {
	bytes int64
	do    func()
}

// Weather is how a link fails. The zero weather is fair.
type Weather struct {
	Every   int           // bytes to the laptop after which a connection drops
	Period  time.Duration // in each of which it is
	Down    time.Duration // down so long, at its end
	Latency time.Duration // to the laptop
	Rate    int           // bytes a second to the laptop, for each connection
	After   int64         // bytes to the laptop after which it is down once,
	For     time.Duration // so long
}

// NewLink makes a link to a server, and begins to carry. The caller closes it.
func NewLink(serverURL string, w Weather) (*Link, error) {
	u, err := url.Parse(serverURL)
	if err != nil {
		return nil, err
	}
	l := &Link{weather: w, server: u.Host, closed: make(chan struct{}), began: time.Now(), conns: make(map[net.Conn]bool)}
	if l.listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		return nil, err
	}
	l.URL = "http://" + l.listener.Addr().String()
	if w.Period > 0 {
		go l.goDown()
	}
	go func() {
		for {
			conn, err := l.listener.Accept()
			if err != nil {
				return
			}
			go l.carry(conn.(*net.TCPConn))
		}
	}()
	return l, nil
}

// When has something be done once when so many bytes have gone to laptops. Until that is done no more go, but
// what a connection was just sending.
func (l *Link) When(bytes int64, do func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.marks = append(l.marks, mark{bytes, do})
}

// At gives a channel that is closed when so many bytes have gone to laptops.
func (l *Link) At(bytes int64) <-chan struct{} {
	c := make(chan struct{})
	l.When(bytes, func() { close(c) })
	return c
}

// mark does what is due. All that has gone has come by here.
func (l *Link) mark(all int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, m := range l.marks {
		if all >= m.bytes {
			m.do()
			l.marks = append(l.marks[:i], l.marks[i+1:]...)
			return
		}
	}
}

// Close takes no more connections and ends those that there are.
func (l *Link) Close() {
	close(l.closed)
	l.listener.Close()
	l.drop()
}

// goDown drops the connections in each period.
func (l *Link) goDown() {
	next := time.NewTimer(l.weather.Period - l.weather.Down)
	defer next.Stop()
	for {
		select {
		case <-next.C:
			if !l.Lifted.Load() {
				l.drop()
			}
			next.Reset(l.weather.Period)
		case <-l.closed:
			return
		}
	}
}

// down tells whether nothing gets through now.
func (l *Link) down() bool {
	if l.Lifted.Load() {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	w := l.weather
	return time.Now().Before(l.until) || w.Period > 0 && time.Since(l.began)%w.Period > w.Period-w.Down
}

// drop ends all connections. What is on its way arrives.
func (l *Link) drop() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for c := range l.conns {
		c.Close()
	}
}

func (l *Link) carry(laptop *net.TCPConn) {
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
	w := l.weather
	piece := 8 << 10
	// With large buffers much would come that a laptop never reads, and come at once however slow
	// the link is.
	laptop.SetWriteBuffer(16 << 10)
	server.(*net.TCPConn).SetReadBuffer(64 << 10)
	if w.Rate > 0 {
		piece = max(min(piece, w.Rate/100), 1) // ten milliseconds' worth
	}
	// What is on its way waits in a queue until it is due.
	type chunk struct {
		bytes []byte
		due   time.Time
	}
	way := make(chan chunk, 1<<10)
	go func() {
		defer close(way)
		left := w.Every
		due := time.Now()
		for {
			buf := make([]byte, piece)
			if w.Every > 0 && !l.Lifted.Load() {
				buf = buf[:min(len(buf), left)]
			}
			n, err := server.Read(buf)
			if w.Rate > 0 { // what was idle isn't made up for
				if now := time.Now(); due.Before(now.Add(-10 * time.Millisecond)) {
					due = now
				}
				due = due.Add(time.Duration(n) * time.Second / time.Duration(w.Rate))
				time.Sleep(time.Until(due))
			}
			way <- chunk{buf[:n], time.Now().Add(w.Latency)}
			left -= n
			if err != nil || w.Every > 0 && left <= 0 && !l.Lifted.Load() {
				return
			}
		}
	}()
	for c := range way {
		time.Sleep(time.Until(c.due))
		n, err := laptop.Write(c.bytes)
		all := l.Received.Add(int64(n))
		l.mark(all)
		if err != nil {
			server.Close()
			for range way { // to its end
			}
			return
		}
		if w.After > 0 && all >= w.After && all-int64(n) < w.After {
			l.mu.Lock()
			l.until = time.Now().Add(w.For)
			l.mu.Unlock()
			l.drop()
		}
	}
}
