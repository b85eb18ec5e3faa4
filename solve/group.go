// SPDX-License-Identifier: GPL-2.0-or-later

package solve

import "strings"

// group is PackageKit's group for a package, from the Group of RPM, which distributions filled in
// as they liked until they stopped, or a section of Debian's. The first line of groups that is the
// group or starts it counts.
func group(s string) string {
	s = strings.ToLower(strings.TrimSpace(s))
	if _, section, ok := strings.Cut(s, "/"); ok && !strings.ContainsAny(s, " ") {
		// "contrib/games": Debian's area comes before the section
		if area := strings.TrimSuffix(s, "/"+section); area == "contrib" || strings.HasPrefix(area, "non-free") {
			s = section
		}
	}
	for _, g := range groups {
		if s == g.prefix || strings.HasPrefix(s, g.prefix+"/") || strings.HasPrefix(s, g.prefix+" ") {
			return g.group
		}
	}
	return "unknown"
}

// groups maps prefixes of RPM groups (Fedora's, then openSUSE's and Mandriva's) and Debian's
// sections to the groups of PackageKit: longer prefixes before shorter ones.
var groups = []struct{ prefix, group string }{
	{"amusements/games", "games"},
	{"amusements/graphics", "graphics"},
	{"amusements/teaching", "education"},
	{"amusements", "games"},
	{"applications/archiving", "accessories"},
	{"applications/communications", "communication"},
	{"applications/databases", "servers"},
	{"applications/editors", "accessories"},
	{"applications/emulators", "virtualization"},
	{"applications/engineering", "science"},
	{"applications/file", "accessories"},
	{"applications/games", "games"},
	{"applications/graphics", "graphics"},
	{"applications/internet", "internet"},
	{"applications/multimedia", "multimedia"},
	{"applications/productivity", "office"},
	{"applications/publishing", "publishing"},
	{"applications/system", "admin-tools"},
	{"applications/text", "accessories"},
	{"applications", "other"},
	{"development/documentation", "documentation"},
	{"documentation", "documentation"},
	{"development", "programming"},
	{"education", "education"},
	{"games", "games"},
	{"graphical desktop/gnome", "desktop-gnome"},
	{"graphical desktop/kde", "desktop-kde"},
	{"graphical desktop/xfce", "desktop-xfce"},
	{"graphical desktop", "desktop-other"},
	{"hardware", "system"},
	{"networking", "network"},
	{"productivity/archiving", "accessories"},
	{"productivity/databases", "servers"},
	{"productivity/editors", "accessories"},
	{"productivity/graphics", "graphics"},
	{"productivity/multimedia", "multimedia"},
	{"productivity/networking", "internet"},
	{"productivity/office", "office"},
	{"productivity/publishing", "publishing"},
	{"productivity/scientific", "science"},
	{"productivity/security", "security"},
	{"productivity/telephony", "communication"},
	{"productivity", "office"},
	{"publishing", "publishing"},
	{"sciences", "science"},
	{"sugar", "education"},
	{"system environment/base", "system"},
	{"system environment/daemons", "servers"},
	{"system environment/kernel", "system"},
	{"system environment/libraries", "system"},
	{"system environment", "system"},
	{"system/emulators", "virtualization"},
	{"system/fonts", "fonts"},
	{"system/gui/gnome", "desktop-gnome"},
	{"system/gui/kde", "desktop-kde"},
	{"system/gui/xfce", "desktop-xfce"},
	{"system/gui", "desktop-other"},
	{"system/localization", "localization"},
	{"system/i18n", "localization"},
	{"system/x11/fonts", "fonts"},
	{"system", "system"},
	{"user interface/desktops", "desktop-other"},
	{"user interface", "desktop-other"},

	{"admin", "admin-tools"},
	{"cli-mono", "programming"},
	{"comm", "communication"},
	{"database", "servers"},
	{"debug", "programming"},
	{"devel", "programming"},
	{"doc", "documentation"},
	{"editors", "accessories"},
	{"electronics", "electronics"},
	{"embedded", "system"},
	{"fonts", "fonts"},
	{"gnome", "desktop-gnome"},
	{"gnu-r", "science"},
	{"gnustep", "desktop-other"},
	{"golang", "programming"},
	{"graphics", "graphics"},
	{"hamradio", "communication"},
	{"haskell", "programming"},
	{"httpd", "servers"},
	{"interpreters", "programming"},
	{"introspection", "programming"},
	{"java", "programming"},
	{"javascript", "programming"},
	{"kde", "desktop-kde"},
	{"kernel", "system"},
	{"libdevel", "programming"},
	{"libs", "system"},
	{"lisp", "programming"},
	{"localization", "localization"},
	{"mail", "internet"},
	{"math", "science"},
	{"metapackages", "collections"},
	{"misc", "other"},
	{"net", "network"},
	{"news", "internet"},
	{"ocaml", "programming"},
	{"oldlibs", "legacy"},
	{"otherosfs", "system"},
	{"perl", "programming"},
	{"php", "programming"},
	{"python", "programming"},
	{"ruby", "programming"},
	{"rust", "programming"},
	{"science", "science"},
	{"shells", "system"},
	{"sound", "multimedia"},
	{"tasks", "collections"},
	{"tex", "publishing"},
	{"text", "accessories"},
	{"utils", "accessories"},
	{"vcs", "programming"},
	{"video", "multimedia"},
	{"web", "internet"},
	{"x11", "desktop-other"},
	{"xfce", "desktop-xfce"},
	{"zope", "programming"},
}
