// SPDX-License-Identifier: Apache-2.0

// The status page: asks /api/v1/status every two seconds while it is visible
// and shows the answer. Names of databases and users reach the page as text only.

const poolColumns = 11;
const period = 2000; // ms between two questions
const patience = 5000; // ms after which a question has failed

let previous = null; // the answer before this one, for rates
let answered = null; // when the last answer came

const byId = (id) => document.getElementById(id);

function element(name, content, className) {
  const e = document.createElement(name);
  e.append(...[content].flat());
  if (className) e.className = className;
  return e;
}

const cell = (content, className) => element('td', content, className);
const number = (value, className = '') => cell(value, `number ${className}`);

function rowHeader(content) {
  const th = element('th', content);
  th.scope = 'row';
  return th;
}

// bar shows part of whole as a meter with the figures beside it. A whole below
// zero is none.
function bar(part, whole, name) {
  if (whole < 0) return [`${part}`];
  const meter = document.createElement('meter');
  meter.max = Math.max(whole, 1);
  meter.value = part;
  meter.setAttribute('aria-label', name);
  return [meter, `${part} of ${whole}`];
}

function duration(seconds) {
  if (seconds === 0) return '–';
  if (seconds < 0.001) return `${Math.round(seconds * 1e6)} µs`;
  if (seconds < 1) return `${(seconds * 1000).toPrecision(3)} ms`;
  if (seconds < 120) return `${seconds.toPrecision(3)} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  return `${Math.round(seconds / 3600)} h`;
}

const sum = (counts) => Object.values(counts ?? {}).reduce((a, b) => a + b, 0);

// rate returns how much a count grew per second since the answer before this
// one, or a dash when there is none or weir has started anew.
function rate(status, now, before) {
  if (before === undefined || status.started !== previous.started) return '–';
  const seconds = (new Date(status.taken) - new Date(previous.taken)) / 1000;
  return seconds > 0 ? Math.round((now - before) / seconds).toLocaleString() : '–';
}

const samePool = (pool) => previous?.pools?.find((p) => p.database === pool.database && p.user === pool.user);

function poolRow(status, pool) {
  const perSecond = rate(status, pool.queries, samePool(pool)?.queries);
  return element('tr', [
    rowHeader([pool.database, element('small', pool.mode === 'transaction' ? pool.user : `${pool.user}, ${pool.mode} mode`)]),
    cell(bar(pool.active, pool.max, `Connections in use by ${pool.user} in ${pool.database}`)),
    number(pool.connecting ? `${pool.idle}, ${pool.connecting} connecting` : pool.idle),
    number(pool.waiting, pool.waiting ? 'warn' : ''),
    number(duration(pool.oldest_wait_seconds), pool.oldest_wait_seconds > 5 ? 'bad' : ''),
    number(perSecond),
    number(duration(pool.wait.p95_seconds)),
    number(duration(pool.query.p95_seconds)),
    number(duration(pool.transaction.p95_seconds)),
    number(sum(pool.errors).toLocaleString()),
    number(sum(pool.rejects).toLocaleString(), sum(pool.rejects) ? 'bad' : ''),
  ]);
}

// poolRows is a pool and, where it cannot connect, a line that says why.
function poolRows(status, pool) {
  const rows = [poolRow(status, pool)];
  if (pool.last_error) {
    const why = cell(`cannot connect: ${pool.last_error}`, 'wrap bad');
    why.colSpan = poolColumns;
    rows.push(element('tr', why, 'more'));
  }
  return rows;
}

function budgetRow(budget) {
  const reduced = budget.limit >= 0 && budget.effective < budget.limit;
  return element('tr', [
    cell(budget.scope),
    rowHeader(budget.name),
    cell(bar(budget.in_use, budget.effective, `Connections of ${budget.scope} ${budget.name}`)),
    cell([budget.source, ...(reduced ? [element('span', `, reduced from ${budget.limit} because PostgreSQL refused more`, 'warn')] : [])], 'wrap'),
  ]);
}

function serverRow(server) {
  return element('tr', [
    rowHeader(server.name),
    cell(server.up ? 'up' : `down since ${new Date(server.held_since).toLocaleTimeString()}`, server.up ? '' : 'bad'),
    cell(server.last_error_at ? new Date(server.last_error_at).toLocaleString() : ''),
    cell(server.last_error ?? '', 'wrap'),
  ]);
}

function fill(id, rows, columns, empty) {
  if (rows.length === 0) {
    const only = cell(empty);
    only.colSpan = columns;
    rows = [element('tr', only)];
  }
  byId(id).tBodies[0].replaceChildren(...rows);
}

function fact(name, value, detail) {
  return element('div', [element('dt', name), element('dd', [value, element('small', detail)])]);
}

function overview(s) {
  const c = s.clients;
  const u = s.upstreams;
  return [
    fact('Clients', `${c.total.toLocaleString()} of ${c.max.toLocaleString()}`, `${c.idle} idle, ${c.active} active, ${c.waiting} waiting${c.replicating ? `, ${c.replicating} replicating` : ''}${c.login ? `, ${c.login} logging in` : ''}`),
    fact('Connections to PostgreSQL', `${u.active + u.idle} of ${u.limit}`, `${u.active} active, ${u.idle} idle${u.connecting ? `, ${u.connecting} connecting` : ''}`),
    fact('In use', `${Math.round(s.utilisation * 100)} %`, 'of the connections that may be open'),
    fact('Waiting', `${s.waiting}`, s.waiting ? `the oldest for ${duration(s.oldest_wait_seconds)}` : 'nothing waits'),
    fact('Running for', duration((new Date(s.taken) - new Date(s.started)) / 1000), `since ${new Date(s.started).toLocaleString()}`),
  ];
}

function show(status) {
  byId('version').textContent = status.version;
  byId('overview').replaceChildren(...overview(status));
  fill('pools', (status.pools ?? []).flatMap((p) => poolRows(status, p)), poolColumns, 'No pool yet: the first client makes one.');
  fill('budgets', (status.budgets ?? []).map(budgetRow), 4, 'No limit is known yet.');
  fill('servers', (status.servers ?? []).map(serverRow), 4, 'No server has been asked yet.');
}

// say sets the line that screen readers announce, only when it changes.
function say(text, className = '') {
  const state = byId('state');
  if (state.textContent !== text) state.textContent = text;
  state.className = className;
}

function judge(status) {
  const down = (status.servers ?? []).filter((s) => !s.up);
  if (status.draining) return ['Stopping: transactions finish, nobody new is let in.', 'warn'];
  if (down.length) return [`PostgreSQL does not answer: ${down.map((s) => s.name).join(', ')}`, 'bad'];
  if (status.pools?.some((p) => p.last_error)) return ['A pool cannot connect to PostgreSQL.', 'bad'];
  if (status.waiting) return ['Requests are waiting for a connection.', 'warn'];
  return ['No request waits for a connection.'];
}

async function poll() {
  try {
    const response = await fetch('/api/v1/status', { signal: AbortSignal.timeout(patience) });
    if (!response.ok) throw new Error(`the answer was ${response.status}`);
    const status = await response.json();
    show(status);
    say(...judge(status));
    previous = status;
    answered = new Date();
  } catch (error) {
    const last = answered ? ` The figures below are from ${answered.toLocaleTimeString()}.` : '';
    say(`weir does not answer (${error.message}).${last}`, 'bad');
  }
}

async function run() {
  for (;;) {
    if (!document.hidden) await poll();
    await new Promise((resume) => setTimeout(resume, period));
  }
}

run();
