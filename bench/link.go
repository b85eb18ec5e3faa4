package main

import (
	"io"
	"net"
	"net/url"
	"sync/atomic"
	"time"
)

// A link is what lies between a laptop and a server: it counts what comes through, and can be slow.
type link struct {
	URL      string
	Received atomic.Int64 // bytes that the laptop's side got, headers and all
	listener net.Listener
	server   string
	rate     int
}

// newLink makes a link to a server. rate is in bytes a second for each connection, to the laptop; 0: as fast as it goes.
func newLink(serverURL string, rate int) (*link, error) {
	u, err := url.Parse(serverURL)
	if err != nil {
		return nil, err
	}
	l := &link{server: u.Host, rate: rate}
	if l.listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		return nil, err
	}
	l.URL = "http://" + l.listener.Addr().String()
	go func() {
		for {
			conn, err := l.listener.Accept()
			if err != nil {
				return
			}
			go l.carry(conn)
		}
	}()
	return l, nil
}

// Close takes no more connections.
func (l *link) Close() { l.listener.Close() }

func (l *link) carry(laptop net.Conn) {
	defer laptop.Close()
	server, err := net.Dial("tcp", l.server)
	if err != nil {
		return
	}
	defer server.Close()
	go func() {
		io.Copy(server, laptop)
		server.(*net.TCPConn).CloseWrite()
	}()
	piece := 32 << 10
	if l.rate > 0 {
		laptop.(*net.TCPConn).SetWriteBuffer(16 << 10)
		piece = max(min(piece, l.rate/100), 1) // ten milliseconds' worth
	}
	buffer := make([]byte, piece)
	due := time.Now()
	for {
		n, err := server.Read(buffer)
		if _, err := laptop.Write(buffer[:n]); err != nil {
			return
		}
		l.Received.Add(int64(n))
		if err != nil {
			return
		}
		if l.rate > 0 { // what was idle isn't made up for
			if now := time.Now(); due.Before(now.Add(-10 * time.Millisecond)) {
				due = now
			}
			due = due.Add(time.Duration(n) * time.Second / time.Duration(l.rate))
			time.Sleep(time.Until(due))
		}
	}
}
