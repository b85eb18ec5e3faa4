// SPDX-License-Identifier: GPL-2.0-or-later

package serve

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What is wrong with a folder is told, with what to do.
func TestProblem(t *testing.T) {
	for _, test := range []struct {
		files, want string
	}{
		{"", "is empty: nothing is published there yet"},
		{"platforms.json", ""},
		{"platform.json", "serve the folder above it"},
		{"repodata/repomd.xml", "laptops need what presolver build makes of it"},
		{"published/platforms.json", "/published"},
		{"other", "name the output that presolver builds to"},
	} {
		dir := t.TempDir()
		if test.files != "" {
			name := filepath.Join(dir, test.files)
			if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(name, nil, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if got := Problem(dir); !strings.HasSuffix(got, test.want) || test.want == "" && got != "" {
			t.Errorf("%q: %q", test.files, got)
		}
	}
}

func TestURL(t *testing.T) {
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ at, want string }{
		{"127.0.0.1:80", "http://127.0.0.1/"}, {"127.0.0.1:8080", "http://127.0.0.1:8080/"}, {"[::1]:8080", "http://[::1]:8080/"}, {"[::]:8080", "http://" + host + ":8080/"}, {"0.0.0.0:80", "http://" + host + "/"},
	} {
		at, err := net.ResolveTCPAddr("tcp", test.at)
		if err != nil {
			t.Fatal(err)
		}
		if got := URL(at); got != test.want {
			t.Errorf("%s: %s, want %s", test.at, got, test.want)
		}
	}
}

// systemd is told, Prometheus too, and the log has each request; at the end answers come to their end.
func TestRun(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "platforms.json"), []byte("{}"), 0o644); err != nil {
		t.Fatal(err)
	}
	systemd, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(t.TempDir(), "notify"), Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer systemd.Close()
	t.Setenv("NOTIFY_SOCKET", systemd.LocalAddr().String())
	t.Setenv("WATCHDOG_USEC", "300000")
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	listen := func() net.Listener {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	var log bytes.Buffer
	at, metrics := listen(), listen()
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- Run(ctx, at, Options{Root: root, Access: slog.New(slog.NewJSONHandler(&log, nil)), Metrics: metrics})
	}()
	told := func() string {
		b := make([]byte, 100)
		n, err := systemd.Read(b)
		if err != nil {
			t.Fatal(err)
		}
		return string(b[:n])
	}
	if got := told(); got != "READY=1" {
		t.Errorf("systemd was told %q", got)
	}
	get := func(url string) string {
		resp, err := http.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return string(body)
	}
	if got := get("http://" + at.Addr().String() + "/platforms.json"); got != "{}" {
		t.Errorf("served %q", got)
	}
	if got := told(); got != "WATCHDOG=1" {
		t.Errorf("systemd was told %q", got)
	}
	if got := get("http://" + metrics.Addr().String() + "/metrics"); !strings.Contains(got, `presolver_requests_total{kind="other",status="200"} 1`) || !strings.Contains(got, `presolver_sent_bytes_total{kind="other"}`) {
		t.Errorf("Prometheus is told %s", got)
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if got := log.String(); !strings.Contains(got, `"path":"/platforms.json"`) || !strings.Contains(got, `"status":200`) {
		t.Errorf("the log is %s", got)
	}
}
