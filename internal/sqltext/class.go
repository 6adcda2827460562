// SPDX-License-Identifier: Apache-2.0

package sqltext

// class is what a byte may begin. Those that may continue an identifier come
// first, so that one comparison finds the end of one.
type class uint8

const (
	letter class = iota // also _ and every byte above 127 (scan.l, ident_start)
	digit
	dollar
	blank
	apostrophe
	doubleQuote
	minus
	slash
	other
)

var classes = func() (table [256]class) {
	for c := range table {
		table[c] = other
		if c >= 0x80 || c|0x20 >= 'a' && c|0x20 <= 'z' {
			table[c] = letter
		}
		if c >= '0' && c <= '9' {
			table[c] = digit
		}
	}
	for _, c := range " \t\n\r\f\v" {
		table[c] = blank
	}
	table['_'] = letter
	table['$'] = dollar
	table['\''] = apostrophe
	table['"'] = doubleQuote
	table['-'] = minus
	table['/'] = slash
	return table
}()
