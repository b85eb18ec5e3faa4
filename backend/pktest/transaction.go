// SPDX-License-Identifier: GPL-2.0-or-later

package pktest

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/godbus/dbus/v5"
)

// Transaction is one of packagekitd's transactions, with the signals that it has sent.
type Transaction struct {
	d    *Daemon
	Path dbus.ObjectPath

	mu      sync.Mutex
	arrived *sync.Cond
	signals []Signal
	read    int // so many were returned by Next
	giveUp  bool
}

// Signal is one signal of a transaction. A changed property is a signal, too: its Name is
// "Properties", and its Body has one map[string]dbus.Variant.
type Signal struct {
	Name string // without the interface, such as "Package"
	Body []any
}

// Result is what came of a transaction, from its first signal to "Finished".
type Result []Signal

// Exit is PackageKit's PkExitEnum: 1 success, 2 failed, 3 cancelled.
func (r Result) Exit() uint32 { return r[len(r)-1].Body[0].(uint32) }

// All returns the bodies of the signals of that name.
func (r Result) All(name string) (bodies [][]any) {
	for _, s := range r {
		if s.Name == name {
			bodies = append(bodies, s.Body)
		}
	}
	return bodies
}

// Property returns all values that a property had, in order.
func (r Result) Property(name string) (values []any) {
	for _, body := range r.All("Properties") {
		if v, ok := body[0].(map[string]dbus.Variant)[name]; ok {
			values = append(values, v.Value())
		}
	}
	return values
}

// Error returns the code, a PkErrorEnum, and the text of the ErrorCode signal; 0 where there was
// none.
func (r Result) Error() (code uint32, text string) {
	for _, body := range r.All("ErrorCode") {
		return body[0].(uint32), body[1].(string)
	}
	return 0, ""
}

// Begin creates a transaction, with hints such as "locale=de_DE.UTF-8".
func (d *Daemon) Begin(hints ...string) *Transaction {
	d.t.Helper()
	x := &Transaction{d: d}
	x.arrived = sync.NewCond(&x.mu)
	object := d.conn.Object(busName, "/org/freedesktop/PackageKit")
	check(d.t, object.Call(busName+".CreateTransaction", 0).Store(&x.Path))
	d.mu.Lock()
	d.transactions[x.Path] = x
	d.mu.Unlock()
	if len(hints) > 0 {
		check(d.t, x.Call("SetHints", hints))
	}
	return x
}

// Run is a transaction from its beginning to its end: the method of
// org.freedesktop.PackageKit.Transaction and its arguments, with D-Bus's types.
func (d *Daemon) Run(method string, args ...any) Result {
	d.t.Helper()
	x := d.Begin()
	check(d.t, x.Call(method, args...))
	return x.Wait()
}

// Property is a property of packagekitd itself, such as "Roles".
func (d *Daemon) Property(name string) any {
	d.t.Helper()
	v, err := d.conn.Object(busName, "/org/freedesktop/PackageKit").GetProperty(busName + "." + name)
	check(d.t, err)
	return v.Value()
}

// Call calls a method of the transaction.
func (x *Transaction) Call(method string, args ...any) error {
	return x.d.conn.Object(busName, x.Path).Call(busName+".Transaction."+method, 0, args...).Err
}

// Next waits for the next signal.
func (x *Transaction) Next() Signal {
	x.d.t.Helper()
	timer := time.AfterFunc(Patience, func() {
		x.mu.Lock()
		defer x.mu.Unlock()
		x.giveUp = true
		x.arrived.Broadcast()
	})
	defer timer.Stop()
	x.mu.Lock()
	defer x.mu.Unlock()
	for x.read == len(x.signals) {
		if x.giveUp {
			x.d.t.Fatalf("no further signal of %s after %v", x.Path, x.signals)
		}
		x.arrived.Wait()
	}
	x.read++
	return x.signals[x.read-1]
}

// Until waits for a signal of that name, and returns the first that wasn't read before.
func (x *Transaction) Until(name string) Signal {
	x.d.t.Helper()
	for {
		if s := x.Next(); s.Name == name {
			return s
		} else if s.Name == "Finished" {
			x.d.t.Fatalf("%s has finished without %s: %v", x.Path, name, x.signals)
		}
	}
}

// UntilProperty waits until a property has the value.
func (x *Transaction) UntilProperty(name string, value any) {
	x.d.t.Helper()
	for {
		s := x.Until("Properties")
		if v, ok := s.Body[0].(map[string]dbus.Variant)[name]; ok && fmt.Sprint(v.Value()) == fmt.Sprint(value) {
			return
		}
	}
}

// Wait waits for the end, and returns all signals, those that were read already included.
func (x *Transaction) Wait() Result {
	x.d.t.Helper()
	for x.Next().Name != "Finished" {
	}
	x.d.mu.Lock()
	delete(x.d.transactions, x.Path)
	x.d.mu.Unlock()
	x.mu.Lock()
	defer x.mu.Unlock()
	return Result(x.signals[:x.read])
}

// route gives each signal to its transaction.
func (d *Daemon) route(signals <-chan *dbus.Signal) {
	for s := range signals {
		d.mu.Lock()
		x := d.transactions[s.Path]
		d.mu.Unlock()
		if x == nil {
			continue
		}
		signal := Signal{Name: s.Name[strings.LastIndexByte(s.Name, '.')+1:], Body: s.Body}
		if signal.Name == "PropertiesChanged" {
			signal = Signal{Name: "Properties", Body: s.Body[1:2]}
		}
		x.mu.Lock()
		x.signals = append(x.signals, signal)
		x.arrived.Broadcast()
		x.mu.Unlock()
	}
}
