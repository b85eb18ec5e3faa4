// SPDX-License-Identifier: GPL-2.0-or-later

// Package bucket brings a published folder to an object store: Amazon S3 and what speaks like it, Azure's
// Blob Storage, or a folder.
//
// A build, or a copy, works in a folder of this computer as ever; Publish then brings what is in it to
// the bucket. Readers of the bucket never see half of it: what is named by its content comes first, then
// signatures and the rest, then platform.json, and platforms.json last; what nobody can ask for any more
// goes after that. What is there already isn't brought again, so a Publish that was cut off anywhere is
// completed by the next one.
//
// Several computers may bring platforms to one bucket at the same time, but one platform is only ever
// brought by one of them at a time.
//
// Who may write to the bucket is the SDKs' to find out, from their environment and files. This package
// knows nothing of what is in the files, but for platform.json and platforms.json.
package bucket

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"gocloud.dev/blob"
	_ "gocloud.dev/blob/azureblob"
	_ "gocloud.dev/blob/fileblob"
	_ "gocloud.dev/blob/s3blob"
	"gocloud.dev/gcerrors"

	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

// Check tells what is wrong with a bucket's URL, without asking anybody.
func Check(text string) error {
	u, err := url.Parse(text)
	switch {
	case err != nil || !slices.Contains(schemes(), u.Scheme):
		return fmt.Errorf("it is no bucket that presolver knows: give an URL that begins with %s://", strings.Join(schemes(), "://, "))
	case u.User != nil:
		return errors.New("there is a user or a password in it: they come from the environment, or from the files of the provider's own tools")
	case u.Scheme == "file" && (u.Host != "" || !filepath.IsAbs(u.Path)):
		return errors.New("file: needs three slashes and the whole path of a folder")
	case u.Scheme != "file" && u.Host == "":
		return fmt.Errorf("it names no bucket: write e.g. %s://BUCKET/FOLDER", u.Scheme)
	}
	return nil
}

// schemes are the buckets that there are drivers for.
func schemes() (all []string) {
	for _, s := range []string{"s3", "gs", "azblob", "file"} {
		if blob.DefaultURLMux().ValidBucketScheme(s) {
			all = append(all, s)
		}
	}
	return all
}

// open opens a bucket: BUCKET/FOLDER in one that has no folders is a prefix of names.
func open(ctx context.Context, text string) (*blob.Bucket, error) {
	if err := Check(text); err != nil {
		return nil, fmt.Errorf("%s: %w", text, err)
	}
	u, err := url.Parse(text)
	if err != nil {
		return nil, err
	}
	prefix := strings.Trim(u.Path, "/")
	if u.Scheme == "file" {
		prefix = ""
		q := u.Query()
		q.Set("create_dir", "true")
		q.Set("no_tmp_dir", "true")
		q.Set("metadata", "skip")
		u.RawQuery = q.Encode()
	} else {
		u.Path = ""
	}
	b, err := blob.OpenBucket(ctx, u.String())
	if err != nil {
		return nil, fmt.Errorf("opening the bucket %s: %w", text, err)
	}
	if prefix != "" {
		b = blob.PrefixedBucket(b, prefix+"/")
	}
	return b, nil
}

// read reads a small object; nil where there is none.
func read(ctx context.Context, b *blob.Bucket, name string, most int64) ([]byte, error) {
	r, err := b.NewRangeReader(ctx, name, 0, most+1, nil)
	if gcerrors.Code(err) == gcerrors.NotFound {
		return nil, nil
	}
	var data []byte
	if err == nil {
		data, err = io.ReadAll(io.LimitReader(r, most+1))
		r.Close()
	}
	if err != nil {
		return nil, fmt.Errorf("reading %s in the bucket: %w", name, err)
	}
	if int64(len(data)) > most {
		return nil, fmt.Errorf("%s in the bucket has more than %d bytes", name, most)
	}
	return data, nil
}

// head is what a bucket has of a platform; nil where it has nothing that can be read. Nobody vouches for it, so
// a serial that no build could go on from is refused.
func head(ctx context.Context, b *blob.Bucket, platform string) (*tree.Platform, error) {
	data, err := read(ctx, b, platform+"/platform.json", tree.MaxPlatform)
	if err != nil || data == nil {
		return nil, err
	}
	p, err := tree.ParsePlatform(data, platform)
	var format *tree.FormatError
	switch {
	case errors.As(err, &format) && format.Format > tree.Format:
		return nil, fmt.Errorf("reading %s/platform.json in the bucket: %w", platform, err)
	case err != nil:
		return nil, nil
	case p.Serial >= time.Now().Unix():
		return nil, fmt.Errorf("%s/platform.json in the bucket has the serial %d, which no build has given it: find out who has written it, and remove it", platform, p.Serial)
	}
	return p, nil
}

// Serial is that of a platform in a bucket; 0: there is none. It tells first whether the bucket can be
// reached, too.
func Serial(ctx context.Context, text, platform string) (int64, error) {
	b, err := open(ctx, text)
	if err != nil {
		return 0, err
	}
	defer b.Close()
	p, err := head(ctx, b, platform)
	if err != nil || p == nil {
		return 0, err
	}
	return p.Serial, nil
}

// Merge makes a bucket's platforms.json of the platforms that it has, and gives their names.
func Merge(ctx context.Context, text string) ([]string, error) {
	b, err := open(ctx, text)
	if err != nil {
		return nil, err
	}
	defer b.Close()
	return merge(ctx, b)
}

// merge is Merge. Others may do the same at the same time, and have written what they saw before: so what
// is there is looked at again until it is right. Whoever writes last has then looked after that.
func merge(ctx context.Context, b *blob.Bucket) (names []string, err error) {
	const rounds = 10 // with so many others at it one of them is last
	for range rounds {
		names = nil
		all := &tree.Platforms{Format: tree.Format, Platforms: []tree.PlatformEntry{}}
		list := b.List(&blob.ListOptions{Delimiter: "/"})
		for {
			o, err := list.Next(ctx)
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return nil, fmt.Errorf("looking for platforms in the bucket: %w", err)
			}
			if !o.IsDir {
				continue
			}
			p, err := head(ctx, b, path.Base(o.Key))
			if err != nil {
				return nil, err
			}
			if p != nil {
				all.Platforms = append(all.Platforms, tree.PlatformEntry{Platform: p.Platform, Arch: p.Arch})
				names = append(names, p.Platform)
			}
		}
		content, err := all.Encode()
		if err != nil {
			return nil, err
		}
		const name = "platforms.json"
		if was, err := read(ctx, b, name, tree.MaxPlatform); err != nil || string(was) == string(content) {
			return names, err
		}
		if err := write(ctx, b, name, strings.NewReader(string(content)), digests{}, tree.InPlace); err != nil {
			return nil, err
		}
	}
	return names, nil
}
