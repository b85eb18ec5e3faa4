// SPDX-License-Identifier: GPL-2.0-or-later

package config

import (
	"cmp"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// decode puts the values of the file into the struct that into points to.
func (f *File) decode(values map[string]any, into any) error {
	d := decoder{f, reflect.TypeOf(into).Elem()}
	return d.table("", values, reflect.ValueOf(into).Elem())
}

type decoder struct {
	*File
	top reflect.Type // of the whole file
}

// table puts the keys of a table into a struct.
func (d decoder) table(path string, values map[string]any, into reflect.Value) error {
	// In the file's order, so that the first error is the one that is told.
	keys := slices.SortedFunc(maps.Keys(values), func(a, b string) int {
		return cmp.Or(cmp.Compare(d.places[join(path, a)].key, d.places[join(path, b)].key), cmp.Compare(a, b))
	})
	for _, key := range keys {
		field, ok := fieldOf(into.Type(), key)
		if !ok {
			return d.unknown(path, key, values[key], into.Type())
		}
		if err := d.value(join(path, key), values[key], into.FieldByIndex(field.Index), field.Tag.Get("unit")); err != nil {
			return err
		}
	}
	return nil
}

// value puts a key's value, or one of a list, into a field. unit is the field's tag.
func (d decoder) value(path string, value any, into reflect.Value, unit string) error {
	switch to := into.Addr().Interface().(type) {
	case *Duration:
		if unit == "" {
			unit = "s"
		}
		return d.withUnit(path, value, unit, "a time", `"5s"`, func(text string) (problem string) {
			*to, problem = parseDuration(text)
			return problem
		})
	case *Size:
		return d.withUnit(path, value, " MiB", "a size", `"200 MiB"`, func(text string) (problem string) {
			*to, problem = parseSize(text)
			return problem
		})
	case *Path:
		text, err := d.text(path, value)
		if err == nil && strings.ContainsRune(text, 0) {
			err = d.wrong(path, value, "can't be a path: it has a zero byte")
		}
		*to = resolve(d.dir, text)
		return err
	}
	switch into.Kind() {
	case reflect.String:
		text, err := d.text(path, value)
		into.SetString(text)
		return err
	case reflect.Pointer: // a key that may be left out
		into.Set(reflect.New(into.Type().Elem()))
		return d.value(path, value, into.Elem(), unit)
	case reflect.Bool:
		v, ok := value.(bool)
		if !ok {
			return d.wrong(path, value, "should be true or false")
		}
		into.SetBool(v)
	case reflect.Int:
		v, ok := value.(int64)
		if !ok {
			return d.wrong(path, value, "should be a whole number")
		}
		if into.OverflowInt(v) {
			return d.wrong(path, value, "is too large")
		}
		into.SetInt(v)
	case reflect.Struct:
		v, ok := value.(map[string]any)
		switch {
		case ok:
			return d.table(path, v, into)
		case isTables(value):
			return d.Errorf(path, "[[%s]] should be [%[1]s]: there is one", path)
		}
		return d.wrong(path, value, "should be a table [%s]", path)
	case reflect.Slice:
		return d.list(path, value, into)
	default:
		panic(fmt.Sprintf("config: a field of the type %s", into.Type()))
	}
	return nil
}

// list puts a list into a slice.
func (d decoder) list(path string, value any, into reflect.Value) error {
	tables := into.Type().Elem().Kind() == reflect.Struct
	list, ok := value.([]any)
	_, table := value.(map[string]any)
	text, isText := value.(string)
	switch {
	case tables && table:
		return d.Errorf(path, "[%s] should be [[%[1]s]]: there can be several", path)
	case tables && (!ok || len(list) > 0 && !isTables(value)):
		return d.wrong(path, value, "should be tables [[%s]]", path)
	case !ok && isText:
		return d.wrong(path, value, "should be a list: write %s = [%s]", nameOf(path), Shown(text))
	case !ok:
		return d.wrong(path, value, `should be a list of texts, e.g. %s = ["a", "b"]`, nameOf(path))
	}
	into.Set(reflect.MakeSlice(into.Type(), len(list), len(list)))
	for i, v := range list {
		if err := d.value(join(path, strconv.Itoa(i)), v, into.Index(i), ""); err != nil {
			return err
		}
	}
	return nil
}

// text is a value that has to be a text.
func (d decoder) text(path string, value any) (string, error) {
	if text, ok := value.(string); ok {
		return text, nil
	}
	if as := d.asText(path, value); as != "" && !isElement(path) {
		return "", d.wrong(path, value, "should be in quotes: write %s = %s", nameOf(path), as)
	}
	return "", d.wrong(path, value, "should be a text in quotes")
}

// withUnit reads a value that has to be a text with a unit. One without gets the unit in the
// message's example.
func (d decoder) withUnit(path string, value any, unit, what, example string, read func(text string) (problem string)) error {
	text, isText := value.(string)
	n, isNumber := value.(int64)
	if isNumber {
		text = strconv.FormatInt(n, 10)
	}
	switch problem := read(text); {
	case !isText && !isNumber:
		return d.wrong(path, value, "should be %s in quotes, e.g. %s = %s", what, nameOf(path), example)
	case hasNoUnit.MatchString(text):
		return d.wrong(path, value, "has no unit: write %s = %q", nameOf(path), text+unit)
	case problem != "":
		return d.wrong(path, value, "%s", problem)
	}
	return nil
}

// asText is a value in quotes, for those that are one word: numbers, true and false.
func (d decoder) asText(path string, value any) string {
	switch value.(type) {
	case map[string]any, []any, string:
		return ""
	}
	r, ok := d.Value(path)
	if !ok {
		return ""
	}
	return fmt.Sprintf("%q", d.data[r.Start:r.End])
}

// wrong is an error about a value: "KEY = VALUE problem".
func (d decoder) wrong(path string, value any, format string, args ...any) error {
	problem := fmt.Sprintf(format, args...)
	written := strings.Trim(d.asText(path, value), `"`)
	if text, ok := value.(string); ok {
		written = Shown(text)
	}
	switch {
	case written == "":
		return d.Errorf(path, "%s %s", nameOf(path), problem)
	case isElement(path):
		return d.Errorf(path, "%s has %s, which %s", nameOf(path), written, problem)
	}
	return d.Errorf(path, "%s = %s %s", nameOf(path), written, problem)
}

// unknown is the error about a key that a table doesn't have.
func (d decoder) unknown(table, key string, value any, t reflect.Type) error {
	path := join(table, key)
	known := keysOf(t)
	what := "key " + Shown(key)
	if _, ok := value.(map[string]any); ok {
		what = "table [" + Redacted(path) + "]"
	} else if isTables(value) {
		what = "table [[" + Redacted(path) + "]]"
	} else if table != "" {
		what += " in " + d.bracketed(table)
	}
	if near := Nearest(key, known); near != "" {
		field, _ := fieldOf(t, near)
		return d.Errorf(path, "there is no %s: did you mean %s?", what, written(join(table, near), field.Type))
	}
	if _, ok := fieldOf(d.top, key); ok && table != "" {
		return d.Errorf(path, "there is no %s: write it above the first table", what)
	}
	for i := range d.top.NumField() { // a key of another table
		field := d.top.Field(i)
		t := field.Type
		list := t.Kind() == reflect.Slice
		if list {
			t = t.Elem()
		}
		if t.Kind() != reflect.Struct || list && isElement(table) { // what one thing has isn't meant for another
			continue
		}
		if _, ok := fieldOf(t, key); ok {
			return d.Errorf(path, "there is no %s: write it in %s", what, written(field.Tag.Get("toml"), field.Type))
		}
	}
	in := "the file"
	if table != "" {
		in = d.bracketed(table)
	}
	return d.Errorf(path, "there is no %s: %s has %s", what, in, strings.Join(known, ", "))
}

// bracketed is a table's header as it is written in the file.
func (d decoder) bracketed(table string) string {
	if isElement(table) {
		return "[[" + table[:strings.LastIndexByte(table, '.')] + "]]"
	}
	return "[" + table + "]"
}

// written is a key as somebody would write it: tables in brackets.
func written(path string, t reflect.Type) string {
	switch {
	case t.Kind() == reflect.Struct:
		return "[" + path + "]"
	case t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Struct:
		return "[[" + path + "]]"
	}
	return strconv.Quote(nameOf(path))
}

// isTables tells whether a value is a list of tables.
func isTables(value any) bool {
	list, ok := value.([]any)
	return ok && len(list) > 0 && !slices.ContainsFunc(list, func(v any) bool {
		_, ok := v.(map[string]any)
		return !ok
	})
}

// keysOf are the keys of a table, in the struct's order.
func keysOf(t reflect.Type) (keys []string) {
	for i := range t.NumField() {
		if key := t.Field(i).Tag.Get("toml"); key != "" {
			keys = append(keys, key)
		}
	}
	return keys
}

func fieldOf(t reflect.Type, key string) (reflect.StructField, bool) {
	for i := range t.NumField() {
		if field := t.Field(i); key != "" && field.Tag.Get("toml") == key {
			return field, true
		}
	}
	return reflect.StructField{}, false
}
