// SPDX-License-Identifier: Apache-2.0

package web

import (
	"encoding/json"
	"net/http"
)

// writeJSON ends the answer with value. It encodes before it writes, so that an
// error becomes a 500 and not half a document; that error it returns. A failed
// write means that the asker has gone.
func writeJSON(w http.ResponseWriter, code int, value any, indent bool) error {
	body, err := encode(value, indent)
	if err != nil {
		code, body = http.StatusInternalServerError, []byte(`{"error":"The answer could not be encoded; weir's log has the cause."}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_, _ = w.Write(append(body, '\n'))
	return err
}

func encode(value any, indent bool) ([]byte, error) {
	if indent {
		return json.MarshalIndent(value, "", "  ")
	}
	return json.Marshal(value)
}
