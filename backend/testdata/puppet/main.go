// SPDX-License-Identifier: GPL-2.0-or-later

// Puppet is a helper that does what a test tells it to, and nothing else.
//
//	puppet SOCKET [--dialect D] [--stay] [COMMAND [ARG…]]
//
// It connects to the test's socket, tells what happens to it, and carries out what the test says;
// both as JSON, one object a line. It ends when the test closes the connection, so that no test
// leaves one behind.
package main

import (
	"bufio"
	"encoding/json"
	"net"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Event is what happened: "start" (Argv, Env, Pid), "command" (Line), "eof", "signal" (Line: its
// name).
type Event struct {
	Event string   `json:"event"`
	Argv  []string `json:"argv,omitempty"`
	Env   []string `json:"env,omitempty"`
	Pid   int      `json:"pid,omitempty"`
	Line  string   `json:"line,omitempty"`
}

// Order is what to do: "write" (Data to stdout), "log" (Data to stderr), "exit" (Code), "kill"
// (Code: a signal to itself), "close" (stdout), "close-stdin", "auto" (answer each command with
// Data from now on, and tell nothing of it).
type Order struct {
	Do   string `json:"do"`
	Data []byte `json:"data,omitempty"`
	Code int    `json:"code,omitempty"`
}

func main() {
	conn, err := net.Dial("unix", os.Args[1])
	if err != nil {
		os.Exit(99)
	}
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGQUIT, syscall.SIGINT)
	signal.Ignore(syscall.SIGPIPE)

	p := &puppet{out: json.NewEncoder(conn)}
	p.tell(Event{Event: "start", Argv: os.Args[2:], Env: os.Environ(), Pid: os.Getpid()})
	words := os.Args[2:]
	if words[0] == "--dialect" {
		words = words[2:]
	}
	if len(words) > 0 && words[0] == "--stay" {
		words = words[1:]
	}
	if len(words) > 0 {
		p.command(strings.Join(words, "\t"))
	}
	go p.readStdin()
	go func() {
		for s := range signals {
			p.tell(Event{Event: "signal", Line: s.String()})
		}
	}()
	in := json.NewDecoder(conn)
	for {
		var o Order
		if in.Decode(&o) != nil {
			os.Exit(98)
		}
		p.obey(o)
	}
}

type puppet struct {
	mu   sync.Mutex
	out  *json.Encoder
	auto []byte
}

func (p *puppet) tell(e Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.out.Encode(e)
}

func (p *puppet) command(line string) {
	p.mu.Lock()
	auto := p.auto
	p.mu.Unlock()
	if auto == nil {
		p.tell(Event{Event: "command", Line: line})
		return
	}
	if line == "exit" {
		os.Exit(0)
	}
	os.Stdout.Write(auto)
}

func (p *puppet) readStdin() {
	in := bufio.NewReader(os.Stdin)
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			p.tell(Event{Event: "eof"})
			return
		}
		p.command(strings.TrimSuffix(line, "\n"))
	}
}

func (p *puppet) obey(o Order) {
	switch o.Do {
	case "write":
		os.Stdout.Write(o.Data)
	case "log":
		os.Stderr.Write(o.Data)
	case "exit":
		os.Exit(o.Code)
	case "kill":
		syscall.Kill(os.Getpid(), syscall.Signal(o.Code))
		time.Sleep(time.Hour) // the signal ends this
	case "close":
		os.Stdout.Close()
	case "close-stdin":
		syscall.Close(0)
	case "auto":
		p.mu.Lock()
		p.auto = o.Data
		p.mu.Unlock()
		os.Stdout.Write(o.Data) // the command that was told already
	}
}
