// SPDX-License-Identifier: GPL-2.0-or-later

package tree

import "fmt"

// Bounds on what a reader takes. They are far above what real platforms need and far below what
// would hurt a laptop of 256 MB. The largest that is known is Debian 12 with 63,440 packages; its
// longest summary has 348 bytes, one package provides 1604 things in 48 KB.
const (
	MaxPlatform  = 1 << 20 // bytes of platform.json, and of platforms.json
	MaxShardFile = 4 << 20 // bytes of a shard, as it is downloaded
	MaxShard     = 8 << 20 // bytes of a shard, unpacked
	MaxTreeFile  = 8 << 20 // bytes of a tree, unpacked
	MaxFilesFile = 8 << 20 // bytes of a file list, unpacked: 80,000 paths
	MaxFile      = MaxSearchFile
	MaxRPM       = 16 << 30 // bytes of an RPM

	// Of a search file.
	MaxEntries    = 300000
	MaxUnpacked   = 128 << 20 // bytes
	MaxSearchFile = 24 << 20  // bytes, as it is downloaded

	MaxShards = 4096 // of an index

	MaxDictionary   = 64 << 10 // bytes of a dictionary, unpacked
	MaxRepositories = 64       // of a platform

	MaxKeysFile    = 256 << 10 // bytes of a keys file
	MaxKeys        = 16        // of a kind in it
	MaxKeysVersion = 1 << 20

	maxEntry = 1 << 20 // bytes of an entry's line: its texts, each byte of them escaped

	MaxPackages  = 20000 // packages in a tree
	MaxPaths     = 1 << 20
	maxLanguages = 256
	maxPlatforms = 4096
	maxURLs      = 64  // of a package, and mirrors of a repository
	maxName      = 255 // bytes of a name
	maxPath      = 1024
	maxFilePath  = 4096 // bytes: Linux's PATH_MAX
	maxEpoch     = 1<<31 - 1
)

// Bounds on the texts of an Entry and a Package, in bytes but where it says otherwise. Who
// publishes shortens what is longer.
const (
	MaxPackageSummary     = 1024
	MaxPackageDescription = 16 << 10
	MaxLicense            = 8 << 10 // some name the licence of each file
	MaxURL                = 2048
	MaxGroup              = 64
	MaxProvided           = 512       // of one thing that is provided
	MaxObsoletes          = 8192      // how many
	MaxMembers            = 2048      // packages that provide, or require, one thing
	MaxConditions         = 2048      // how many of each kind, and how many things are met
	MaxCondition          = 4096      // of one
	MaxObsoletesText      = 128 << 10 // of all of an Entry's
)

// maxSizes are the bytes that a file in each folder may have.
var maxSizes = map[string]int64{"search": MaxSearchFile, "trees": MaxTreeFile, "files": MaxFilesFile, "dictionary": MaxDictionary, "notices": MaxNoticesFile, "texts": MaxSearchFile, "categories": MaxCategoriesFile, "appstream": MaxAppstreamFile, "icons": MaxIconsFile}

// plain are the lists of texts and numbers. An element of another list counts as an object, whatever
// it is: `null` and `0` become a struct as well, and an error of the type comes last.
var plain = map[string]bool{"provides": true, "urls": true, "requires": true, "obsoletes": true, "files": true, "meets": true, "conflicts": true, "recommends": true, "names": true, "groups": true, "by": true, "offline": true, "online": true, "icons": true}

const maxDepth = 64 // of lists and objects in one another

// A limit bounds a JSON file before it is decoded. Its size alone doesn't do: `{},` is three bytes
// and becomes a struct of 300.
type limit struct {
	bytes, objects, values int // values are the elements of lists and objects
}

// minObject is how many bytes the shortest object of all published files has:
// {"name":"a","summary":"b"}.
const minObject = 24

// The limits of the kinds of files.
var (
	platformLimit   = limit{MaxPlatform, MaxDifferences + MaxRepositories + 64, 1 << 16}
	keysLimit       = limit{MaxKeysFile, 8, 2*MaxKeys + 16}
	platformsLimit  = limit{MaxPlatform, maxPlatforms + 64, 1 << 15}
	copiesLimit     = limit{1 << 10, 4, 16}
	filesLimit      = limit{MaxFilesFile, 64, MaxPaths}
	noticesLimit    = limit{MaxNoticesFile, MaxNoticesFile / 64, 1 << 19}
	referenceLimit  = limit{maxEntry, 8, MaxObsoletes + MaxBy + 64}
	languageLimit   = limit{maxEntry, MaxDifferences + 8, 8 * MaxDifferences}
	capabilityLimit = limit{maxEntry, 2*MaxMembers + 1, 16 * MaxMembers}
	categoriesLimit = limit{MaxCategoriesFile, MaxCategories + maxLanguages + 64, 1 << 17}
	appstreamLimit  = limit{MaxAppstreamFile, MaxComponents + MaxIconPacks + 64, 1 << 17}
	iconsLimit      = limit{MaxIconsFile, 64, 1 << 16}
	textsLimit      = limit{MaxTexts, MaxTexts / minObject, 1 << 18}
)

// treeLimit is that of a tree: what is in one is large, and longer than other files' objects, of which
// {"name":"a","version":"1","release":"1","arch":"x"} is the shortest but for a package's conditions.
func treeLimit(data []byte) limit {
	return limit{MaxTreeFile, min(4*MaxPackages, len(data)/40) + 64, 1 << 20}
}

func (l limit) check(what string, data []byte) error {
	if len(data) > l.bytes {
		return fmt.Errorf("this %s has %d bytes, more than %d", what, len(data), l.bytes)
	}
	objects, values := 0, 0
	var open []bool // the lists and objects around: whether it is a list whose elements count as objects
	var key []byte  // the last string
	element := false
	for i := 0; i < len(data); i++ {
		c := data[i]
		if c == ' ' || c == '\t' || c == '\n' || c == '\r' {
			continue
		}
		if element && c != '{' && c != ']' {
			objects++
		}
		element = false
		switch c {
		case '"': // to its end
			begin := i + 1
			for i++; i < len(data) && data[i] != '"'; i++ {
				if data[i] == '\\' {
					i++
				}
			}
			key = data[min(begin, len(data)):min(i, len(data))]
		case '{', '[':
			if c == '{' {
				objects++
			}
			if len(open) == maxDepth {
				return fmt.Errorf("this %s is nested deeper than %d", what, maxDepth)
			}
			element = c == '[' && !plain[string(key)]
			open = append(open, element)
			key = nil
		case '}', ']':
			open = open[:max(len(open)-1, 0)]
		case ',':
			values++
			element = len(open) > 0 && open[len(open)-1]
		}
	}
	if most := min(l.objects, len(data)/minObject+64); objects > most || values > l.values {
		return fmt.Errorf("this %s has %d objects and %d values, more than %d and %d", what, objects, values, most, l.values)
	}
	return nil
}

// checkTexts bounds the texts that an Entry and a Package have.
func checkTexts(summary, description, license, group, url string) error {
	for _, t := range [...]struct {
		what string
		text string
		most int
	}{{"summary", summary, MaxPackageSummary}, {"description", description, MaxPackageDescription}, {"license", license, MaxLicense}, {"group", group, MaxGroup}, {"URL", url, MaxURL}} {
		if len(t.text) > t.most {
			return fmt.Errorf("the %s has %d bytes, more than %d", t.what, len(t.text), t.most)
		}
	}
	return nil
}
