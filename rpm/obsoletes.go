package rpm

import "strings"

// Obsoletes are the packages that the package takes the place of, as spec files write them: "hello", "hello < 1:2.0-1".
func (h *Header) Obsoletes() []string {
	tags := h.header.Header
	names, versions, flags := tags.GetTag(tagObsoletename).StringSlice(), tags.GetTag(tagObsoleteversion).StringSlice(), tags.GetTag(tagObsoleteflags).Int64Slice()
	var all []string
	for i, name := range names {
		if i >= len(versions) || i >= len(flags) || versions[i] == "" {
			all = append(all, name)
			continue
		}
		operator := ""
		for _, sense := range [...]struct {
			flag int64
			sign string
		}{{1 << 1, "<"}, {1 << 2, ">"}, {1 << 3, "="}} {
			if flags[i]&sense.flag != 0 {
				operator += sense.sign
			}
		}
		all = append(all, strings.TrimSpace(name+" "+operator+" "+versions[i]))
	}
	return all
}

// IsSource tells whether the header is of a source package, which has what a program is built from.
func (h *Header) IsSource() bool {
	return h.header.Header.GetTag(tagSourcepackage) != nil
}

// RPM's numbers of header tags (rpmtag.h).
const (
	tagObsoletename    = 1090
	tagSourcepackage   = 1106
	tagObsoleteflags   = 1114
	tagObsoleteversion = 1115
)
