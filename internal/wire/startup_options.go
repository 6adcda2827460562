// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"fmt"
	"strings"
)

// flagSettings are the switches without an argument that PostgreSQL's
// process_postgres_switches turns into settings.
var flagSettings = map[byte]Param{
	'e': {"datestyle", "euro"},
	'F': {"fsync", "false"},
	'i': {"listen_addresses", "*"},
	'l': {"ssl", "true"},
	'O': {"allow_system_table_mods", "true"},
	'P': {"ignore_system_indexes", "true"},
	's': {"log_statement_stats", "true"},
}

// valueSettings are those with an argument: the setting that each one sets.
var valueSettings = map[byte]string{
	'B': "shared_buffers",
	'h': "listen_addresses",
	'k': "unix_socket_directories",
	'N': "max_connections",
	'p': "port",
	'S': "work_mem",
	'W': "post_auth_delay",
}

// plannerSettings are what -f followed by a letter turns off.
var plannerSettings = map[string]string{
	"b": "enable_bitmapscan",
	"h": "enable_hashjoin",
	"i": "enable_indexscan",
	"m": "enable_mergejoin",
	"n": "enable_nestloop",
	"o": "enable_indexonlyscan",
	"s": "enable_seqscan",
	"t": "enable_tidscan",
}

// ParseOptions reads the start-up parameter `options`, a backend's command line,
// as PostgreSQL does (pg_split_opts and process_postgres_switches): `-c name=value`,
// `-cname=value`, `--name=value` and the single letters that stand for a setting,
// with white space between arguments and a backslash before a byte that is to be
// taken as it is. A '-' in a name means '_'. Debug levels (-d) and per-module
// statistics (-t) have no single setting and are refused. Its error is what
// PostgreSQL answers with FATAL 42601.
func ParseOptions(s string) ([]Param, error) {
	args := splitOptions(s)
	var params []Param
	for len(args) > 0 {
		arg := args[0]
		args = args[1:]
		if arg == "--" { // getopt's end of options; nothing may follow
			if len(args) > 0 {
				return nil, errOption(args[0])
			}
			break
		}
		if len(arg) < 2 || arg[0] != '-' {
			return nil, errOption(arg)
		}
		var err error
		if params, args, err = parseSwitches(params, arg, args); err != nil {
			return nil, err
		}
	}
	return params, nil
}

// parseSwitches reads one argument that begins with '-': any number of letters
// without an argument, then at most one with, whose argument is the rest or the
// next of args.
func parseSwitches(params []Param, arg string, args []string) ([]Param, []string, error) {
	for i := 1; i < len(arg); i++ {
		letter := arg[i]
		if p, ok := flagSettings[letter]; ok {
			params = append(params, p)
			continue
		}
		if !takesValue(letter) {
			return nil, nil, errOption(arg)
		}
		value := arg[i+1:]
		if value == "" {
			if len(args) == 0 {
				return nil, nil, errOption(arg)
			}
			value, args = args[0], args[1:]
		}
		p, err := parseSetting(letter, value)
		if err != nil {
			return nil, nil, err
		}
		return append(params, p), args, nil
	}
	return params, args, nil
}

func takesValue(letter byte) bool {
	return letter == 'c' || letter == '-' || letter == 'f' || valueSettings[letter] != ""
}

// parseSetting turns a switch and its argument into a setting.
func parseSetting(letter byte, value string) (Param, error) {
	switch letter {
	case 'c', '-':
		name, v, ok := strings.Cut(value, "=")
		if !ok {
			return Param{}, errNoValue(letter, value)
		}
		return Param{strings.ReplaceAll(name, "-", "_"), v}, nil
	case 'f':
		name, ok := plannerSettings[value]
		if !ok {
			return Param{}, errOption("-f" + value)
		}
		return Param{name, "false"}, nil
	default:
		return Param{valueSettings[letter], value}, nil
	}
}

// splitOptions cuts s into arguments at white space that no backslash precedes.
// The backslashes are gone from the result.
func splitOptions(s string) []string {
	var args []string
	for {
		s = strings.TrimLeft(s, optionSpace)
		if s == "" {
			return args
		}
		var arg strings.Builder
		i := 0
		for ; i < len(s) && strings.IndexByte(optionSpace, s[i]) < 0; i++ {
			if s[i] == '\\' {
				if i++; i == len(s) {
					break
				}
			}
			arg.WriteByte(s[i])
		}
		args = append(args, arg.String())
		s = s[i:]
	}
}

// optionSpace is C's isspace in the C locale.
const optionSpace = " \t\n\v\f\r"

func errOption(arg string) error {
	return fmt.Errorf("invalid command-line argument for server process: %s", arg)
}

func errNoValue(letter byte, value string) error {
	if letter == '-' {
		return fmt.Errorf("--%s requires a value", value)
	}
	return fmt.Errorf("-c %s requires a value", value)
}
