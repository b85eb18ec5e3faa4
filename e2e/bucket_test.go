// SPDX-License-Identifier: GPL-2.0-or-later

package e2e

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
	"go.yaml.in/yaml/v3"

	"github.com/sugarlabs/packagekit-backend-presolve/e2e/laptoptest"
	"github.com/sugarlabs/packagekit-backend-presolve/testbed"
)

// What the cluster's manifests start, with the environment that it gives, publishes many platforms to one
// bucket at once; a computer that dies in the middle leaves what was there, and another one goes on. A laptop
// installs from the bucket.
func TestClusters(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	backend := s3mem.New()
	if err := backend.CreateBucket("region"); err != nil {
		t.Fatal(err)
	}
	s3 := gofakes3.New(backend, gofakes3.WithLogger(gofakes3.DiscardLog())).Server()
	var dying atomic.Pointer[os.Process] // it is killed while it brings the laptop's platform
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPut && strings.Contains(r.URL.Path, testbed.Platform+"/rpms/") {
			if p := dying.Swap(nil); p != nil {
				p.Kill()
				return
			}
		}
		s3.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)

	secret := filepath.Join(dir, "online.key")
	key, err := testbed.NewKey(secret)
	if err != nil {
		t.Fatal(err)
	}
	platforms := filepath.Join(dir, "platforms")
	if err := os.Mkdir(platforms, 0o755); err != nil {
		t.Fatal(err)
	}
	names := []string{testbed.Platform, "school-2-x86_64", "school-3-x86_64", "school-4-x86_64", "school-5-x86_64"}
	for i, name := range names {
		text := fmt.Sprintf("platform = %q\narch = \"x86_64\"\noutput = %q\nrpms = \"copy\"\nbucket = %q\n[[repository]]\nid = \"main\"\nurl = %q\n[base]\npackages = [\"basesystem\", \"libschool\"]\n[toplevel]\npackages = [\"hello\"]\n[signing]\nkey = %q\n",
			name, filepath.Join(dir, fmt.Sprint("work", i)), "s3://region/presolve?region=x&use_path_style=true&endpoint="+server.URL, "file://"+filepath.Join(school.Dir, "repository"), secret)
		if err := os.WriteFile(filepath.Join(platforms, fmt.Sprintf("%d.toml", i)), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	here := strings.NewReplacer("/etc/presolver/platforms", platforms, "/etc/presolver/key/online.key", secret, "/tmp/online.key", "/dev/null")
	start := func(script string, env ...string) *exec.Cmd {
		t.Helper()
		cmd := exec.Command("/bin/sh", "-ec", here.Replace(script))
		cmd.Env = append(os.Environ(), "PATH="+filepath.Dir(school.Presolver)+":"+os.Getenv("PATH"), "no_proxy=127.0.0.1",
			"AWS_ACCESS_KEY_ID=id", "AWS_SECRET_ACCESS_KEY=secret", "AWS_EC2_METADATA_DISABLED=true")
		cmd.Env = append(cmd.Env, env...)
		cmd.Stderr = os.Stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		return cmd
	}

	// Kubernetes: one pod an index, all at once. The first one's computer dies, and its index is tried again.
	kubernetes := kubernetesScript(t)
	index := func(i int) string { return fmt.Sprint("JOB_COMPLETION_INDEX=", i) }
	first := start(kubernetes, index(0))
	dying.Store(first.Process)
	var wait sync.WaitGroup
	for i := 1; i < 4; i++ {
		wait.Go(func() {
			if err := start(kubernetes, index(i)).Wait(); err != nil {
				t.Errorf("index %d: %v", i, err)
			}
		})
	}
	var exit *exec.ExitError
	if err := first.Wait(); !errors.As(err, &exit) || exit.Exited() {
		t.Errorf("index 0 wasn't killed: %v", err)
	}
	wait.Wait()
	if _, err := backend.HeadObject("region", "presolve/"+testbed.Platform+"/platform.json"); err == nil {
		t.Error("a platform that isn't whole is found")
	}
	if err := start(kubernetes, index(0)).Wait(); err != nil {
		t.Fatal(err)
	}

	// Slurm: an array's tasks, of which each finds what is there.
	slurm, err := os.ReadFile("../doc/slurm.sh")
	if err != nil {
		t.Fatal(err)
	}
	for i := range 4 {
		wait.Go(func() {
			if err := start(string(slurm), fmt.Sprint("SLURM_ARRAY_TASK_ID=", i), "SLURM_ARRAY_TASK_COUNT=4").Wait(); err != nil {
				t.Errorf("task %d: %v", i, err)
			}
		})
	}
	wait.Wait()
	o, err := backend.GetObject("region", "presolve/platforms.json", nil)
	if err != nil {
		t.Fatal(err)
	}
	listed := make([]byte, o.Size)
	o.Contents.Read(listed)
	for _, name := range names {
		if !strings.Contains(string(listed), name) {
			t.Errorf("platforms.json lacks %s: %s", name, listed)
		}
	}

	var base []string
	for _, file := range []string{"basesystem-1.0-1.noarch.rpm", "libschool-2.0-1.x86_64.rpm"} {
		base = append(base, filepath.Join(school.Dir, "repository", file))
	}
	l, err := testbed.NewLaptop(filepath.Join(dir, "laptop"), testbed.Platform, server.URL+"/region/presolve", "presolve", key.Fingerprint, "", base...)
	if err != nil {
		t.Fatal(err)
	}
	h := laptoptest.Start(t, school.Tools, l, nil)
	h.OK("install-packages", "none", "hello;1.0-1;noarch;school")
	laptoptest.Agrees(t, l, h.OK("get-packages", "installed"))
	if err := h.Stop(); err != nil {
		t.Error(err)
	}
}

// kubernetesScript is what the container in doc/kubernetes.yaml runs.
func kubernetesScript(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile("../doc/kubernetes.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var job struct {
		Spec struct {
			JobTemplate struct {
				Spec struct {
					Completions int
					Template    struct {
						Spec struct {
							Containers []struct{ Command []string }
						}
					}
				}
			} `yaml:"jobTemplate"`
		}
	}
	if err := yaml.Unmarshal(data, &job); err != nil {
		t.Fatal(err)
	}
	s := job.Spec.JobTemplate.Spec
	if s.Completions != 4 || len(s.Template.Spec.Containers) != 1 || len(s.Template.Spec.Containers[0].Command) != 3 {
		t.Fatalf("doc/kubernetes.yaml is %+v", job)
	}
	return s.Template.Spec.Containers[0].Command[2]
}
