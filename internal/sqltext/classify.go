// SPDX-License-Identifier: Apache-2.0

package sqltext

// classify returns the kind and the name of the statement that begins with t. The
// lexer is a copy that stands after t.
func classify(l lexer, t token) (Kind, string) {
	h := head{l, t}
	for h.tok.kind == '(' {
		h.advance()
	}
	if h.tok.kind != tokenWord {
		return Unknown, ""
	}
	var buf keyword
	word := buf.fold(h.text[h.tok.start:h.tok.end])
	switch string(word) {
	case "select", "values", "table":
		return Select, ""
	case "with":
		return With, ""
	}
	if t.kind == '(' {
		return Unknown, "" // only a query may stand in parentheses
	}
	switch string(word) {
	case "insert":
		return Insert, ""
	case "update":
		return Update, ""
	case "delete":
		return Delete, ""
	case "merge":
		return Merge, ""
	case "lock":
		return Lock, ""
	case "copy":
		return Copy, ""
	case "call":
		return Call, ""
	case "do":
		return Do, ""
	case "load":
		return Load, ""
	case "truncate", "comment", "grant", "revoke", "reindex", "refresh", "security", "import", "reassign":
		return DDL, ""
	case "analyze", "analyse", "checkpoint", "cluster", "fetch", "move", "vacuum":
		return Ordinary, ""
	}
	h.advance()
	if kind, name, ok := h.transaction(word); ok {
		return kind, name
	}
	return h.session(word)
}

// transaction reads on after a word that begins a statement about transactions.
// It is not ok for any other word.
func (h *head) transaction(word []byte) (kind Kind, name string, ok bool) {
	switch string(word) {
	case "begin":
		kind = Begin
	case "start":
		if h.at("transaction") {
			kind = Begin
		}
	case "commit":
		kind = h.finish(Commit, CommitPrepared)
	case "end":
		kind = Commit
	case "abort":
		kind = Rollback
	case "rollback":
		kind, name = h.rollback()
	case "savepoint":
		kind, name = h.only(Savepoint)
	case "release":
		h.noise("savepoint")
		kind, name = h.only(Release)
	default:
		return Unknown, "", false
	}
	return kind, name, true
}

// finish tells the end of a transaction from the end of a prepared one.
func (h *head) finish(plain, prepared Kind) Kind {
	if h.at("prepared") {
		return prepared
	}
	return plain
}

// rollback reads on after ROLLBACK.
func (h *head) rollback() (Kind, string) {
	if !h.accept("work") {
		h.accept("transaction")
	}
	if !h.accept("to") {
		return h.finish(Rollback, RollbackPrepared), ""
	}
	h.noise("savepoint")
	return h.only(RollbackTo)
}

// session reads on after a word that begins a statement about what a session
// holds, or about databases.
func (h *head) session(word []byte) (Kind, string) {
	switch string(word) {
	case "set":
		return h.set()
	case "reset":
		if h.at("all") {
			return h.whole(ResetAll)
		}
		return h.setting(Reset)
	case "show":
		return h.setting(Show)
	case "discard":
		return h.discard()
	case "prepare":
		if h.at("transaction") && h.peek().kind == tokenLiteral {
			return PrepareTransaction, ""
		}
		return h.named(Prepare)
	case "execute":
		return h.named(Execute)
	case "deallocate":
		h.noise("prepare")
		return h.allOr(DeallocateAll, Deallocate)
	case "declare":
		return h.declare()
	case "close":
		return h.allOr(CloseAll, Close)
	case "listen":
		return h.only(Listen)
	case "unlisten":
		if h.tok.kind == '*' {
			return h.whole(UnlistenAll)
		}
		return h.only(Unlisten)
	case "notify":
		return h.named(Notify)
	case "explain":
		return h.explain(), ""
	case "create":
		return h.create()
	case "alter":
		if h.accept("database") {
			return h.named(AlterDatabase)
		}
		return DDL, ""
	case "drop":
		return h.drop()
	}
	return Unknown, ""
}

// allOr reads ALL or one name.
func (h *head) allOr(all, one Kind) (Kind, string) {
	if h.at("all") {
		return h.whole(all)
	}
	return h.only(one)
}

// discard reads on after DISCARD.
func (h *head) discard() (Kind, string) {
	switch {
	case h.at("all"):
		return h.whole(DiscardAll)
	case h.at("temporary"):
		kind, _ := h.whole(Discard)
		return kind, "temp"
	case h.at("plans"), h.at("sequences"), h.at("temp"):
		return h.only(Discard)
	}
	return Unknown, ""
}

// declare reads on after DECLARE, past the options to what follows CURSOR.
func (h *head) declare() (Kind, string) {
	kind, name := h.named(Declare)
	for h.tok.kind == tokenWord && !h.at("cursor") {
		h.advance()
	}
	if kind == Unknown || !h.accept("cursor") {
		return Unknown, ""
	}
	if h.accept("with") && h.at("hold") {
		kind = DeclareWithHold
	}
	return kind, name
}

// explain reads on after EXPLAIN. In parentheses come options, or a query.
func (h *head) explain() Kind {
	if h.at("analyze") || h.at("analyse") {
		return ExplainAnalyze
	}
	if h.tok.kind != '(' {
		return Explain
	}
	h.advance()
	for !h.ended() && h.tok.kind != '(' && h.tok.kind != ')' {
		if h.at("analyze") || h.at("analyse") || h.tok.kind == tokenQuoted || h.tok.kind == tokenUnicode {
			return ExplainAnalyze // an option's name may stand in quotes
		}
		h.advance()
	}
	return Explain
}

// create reads on after CREATE.
func (h *head) create() (Kind, string) {
	if h.accept("or") {
		h.accept("replace")
	}
	if !h.accept("global") {
		h.accept("local")
	}
	switch {
	case h.at("temp"), h.at("temporary"):
		return CreateTemp, ""
	case h.at("function"), h.at("procedure"):
		return CreateRoutine, ""
	case h.accept("database"):
		return h.named(CreateDatabase)
	}
	return DDL, ""
}

// drop reads on after DROP.
func (h *head) drop() (Kind, string) {
	if !h.accept("database") {
		return DDL, ""
	}
	if h.at("if") && h.is(h.peek(), "exists") {
		h.advance()
		h.advance()
	}
	return h.named(DropDatabase)
}
