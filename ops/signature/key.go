package signature

import (
	"bytes"
	"crypto/sha1"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

// maxKey is how many bytes a file with a key may have.
const maxKey = 256 << 10

// fingerprint is that of the one OpenPGP key, of version 4, in an ASCII-armoured text (RFC 4880, 6.2, 4.2 and 12.2): what tells
// whether a file has the key that a person agreed to. A file with several keys is refused: nobody agreed to the others.
func fingerprint(armoured []byte) (string, error) {
	packets, err := dearmour(armoured)
	if err != nil {
		return "", err
	}
	print := ""
	for len(packets) > 0 {
		tag, body, rest, err := packet(packets)
		if err != nil {
			return "", err
		}
		packets = rest
		if tag != tagPublicKey {
			continue
		}
		if print != "" {
			return "", errors.New("it has more than one key")
		}
		if len(body) == 0 || body[0] != 4 || len(body) > 0xffff {
			return "", errors.New("its key is not of version 4, the only one that RPM's keyring takes everywhere")
		}
		sum := sha1.Sum(append([]byte{0x99, byte(len(body) >> 8), byte(len(body))}, body...))
		print = hex.EncodeToString(sum[:])
	}
	if print == "" {
		return "", errors.New("it has no public key")
	}
	return print, nil
}

const tagPublicKey = 6

func dearmour(text []byte) ([]byte, error) {
	const begin, end = "-----BEGIN PGP PUBLIC KEY BLOCK-----", "-----END PGP PUBLIC KEY BLOCK-----"
	_, after, ok := bytes.Cut(text, []byte(begin))
	block, rest, ok2 := bytes.Cut(after, []byte(end))
	if !ok || !ok2 {
		return nil, errors.New("it has no ASCII-armoured public key")
	}
	if bytes.Contains(rest, []byte(begin)) {
		return nil, errors.New("it has more than one key")
	}
	_, block, _ = bytes.Cut(block, []byte("\n"))
	var data strings.Builder
	headers := true // until an empty line
	for line := range strings.Lines(string(block)) {
		line = strings.TrimSpace(line)
		switch {
		case line == "":
			headers = false
		case headers && strings.Contains(line, ": "):
		case strings.HasPrefix(line, "="): // a checksum, which vouches for nothing
		default:
			data.WriteString(line)
		}
	}
	packets, err := base64.StdEncoding.DecodeString(data.String())
	if err != nil {
		return nil, fmt.Errorf("its public key is damaged: %w", err)
	}
	return packets, nil
}

// packet takes the first packet off a row of them.
func packet(b []byte) (tag int, body, rest []byte, err error) {
	damaged := errors.New("its public key is damaged")
	if b[0]&0x80 == 0 {
		return 0, nil, nil, damaged
	}
	size, at := 0, 1
	number := func(n int) bool {
		if len(b) < at+n {
			return false
		}
		for range n {
			size = size<<8 | int(b[at])
			at++
		}
		return true
	}
	ok := true
	if b[0]&0x40 != 0 { // a new header
		tag = int(b[0] & 0x3f)
		ok = number(1)
		switch first := size; {
		case !ok:
		case first >= 224 && first < 255:
			ok = false // in parts: keys never are
		case first == 255:
			size = 0
			ok = number(4)
		case first >= 192:
			size = 0
			ok = number(1)
			size += (first-192)<<8 + 192
		}
	} else {
		tag = int(b[0] >> 2 & 0xf)
		switch b[0] & 3 {
		case 3:
			ok = false
		default:
			ok = number(1 << (b[0] & 3))
		}
	}
	if !ok || size < 0 || size > len(b)-at {
		return 0, nil, nil, damaged
	}
	return tag, b[at : at+size], b[at+size:], nil
}
