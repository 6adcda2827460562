// SPDX-License-Identifier: Apache-2.0

package session

import (
	"bytes"
	"slices"
)

// addSetConfigs notes what calls of set_config, or an UPDATE of pg_settings, touch.
// Where the name of a setting is not written out, nobody knows what follows the
// client. One that is set for the transaction only leaves nothing.
func (e *effect) addSetConfigs(text []byte) {
	lower := bytes.ToLower(text)
	if bytes.Contains(lower, []byte("pg_settings")) {
		e.sets, e.touches = true, true // the view has no setting that is hidden
	}
	for {
		_, after, ok := bytes.Cut(lower, []byte("set_config"))
		if !ok {
			return
		}
		lower = after
		after = bytes.TrimLeft(after, " \t\r\n\"")
		switch {
		case bytes.HasPrefix(after, []byte("(")):
			e.addSetConfig(after[1:])
		case bytes.HasPrefix(after, []byte("/*")), bytes.HasPrefix(after, []byte("--")):
			e.sets, e.touches = true, true // a call may follow
			e.pins |= parameters
		}
	}
}

// addSetConfig notes one call, from after its parenthesis, in lower case.
func (e *effect) addSetConfig(call []byte) {
	args, ok := arguments(call)
	if ok && len(args) == 3 && slices.Contains(always, string(args[2])) {
		name := bytes.Trim(args[0], "'")
		e.locals = e.locals || len(name) != len(args[0])-len("''") || !meaningless[string(name)]
		return // like SET LOCAL
	}
	e.sets, e.touches = true, true
	name, literal := bytes.CutPrefix(bytes.TrimLeft(call, " \t\r\n"), []byte("'"))
	name, _, ended := bytes.Cut(name, []byte("'"))
	switch {
	case literal && ended:
		e.add(string(name))
	case ok && string(args[0]) == "name" && ofView(call):
	default:
		e.pins |= parameters
	}
}

// ofView reports whether what follows a call is the view pg_settings and its
// WHERE: so pg_dump asks for a setting that older servers do not have.
func ofView(call []byte) bool {
	_, after, _ := bytes.Cut(call, []byte(")"))
	words := bytes.Fields(after)
	return len(words) > 2 && string(words[0]) == "from" && string(words[2]) == "where" &&
		(string(words[1]) == "pg_settings" || string(words[1]) == "pg_catalog.pg_settings")
}

// always are the ways to write that a setting is for the transaction only.
var always = []string{"true", "'true'", "'t'", "'on'", "'1'", "true::boolean", "true::bool", "is_local => true", "is_local := true"}

// arguments splits the arguments of a call, without the blanks around them. It is
// not ok where they do not end, or hold what this cannot read for certain.
func arguments(call []byte) (args [][]byte, ok bool) {
	depth, from := 0, 0
	for i := 0; i < len(call); i++ {
		switch c := call[i]; c {
		case '\'', '"':
			n := bytes.IndexByte(call[i+1:], c)
			if n < 0 || bytes.IndexByte(call[i+1:i+1+n], '\\') >= 0 {
				return nil, false // it may go on after an escaped quote
			}
			i += n + 1 // a doubled quote begins the next string
		case '$':
			if i+1 < len(call) && (call[i+1] < '0' || call[i+1] > '9') {
				return nil, false // a quote of another kind
			}
		case '\\', '-', '/':
			return nil, false // an escape, or maybe a comment
		case '(', '[':
			depth++
		case ')', ']':
			if depth == 0 {
				return append(args, bytes.TrimSpace(call[from:i])), true
			}
			depth--
		case ',':
			if depth == 0 {
				args = append(args, bytes.TrimSpace(call[from:i]))
				from = i + 1
			}
		}
	}
	return nil, false
}
