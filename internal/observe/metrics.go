// SPDX-License-Identifier: Apache-2.0

package observe

import "github.com/prometheus/client_golang/prometheus"

// The metrics that weir exports. Their names are an interface: dashboards and
// alerts depend on them.
var (
	buildInfo = desc("weir_build_info", "1, with the version of this weir.", "version")
	draining  = desc("weir_draining", "1 while weir is stopping, else 0.")

	reloadSuccess = desc("weir_config_reload_success", "0 if the last reload of the settings failed, else 1.")
	reloadTime    = desc("weir_config_reload_timestamp_seconds", "When the settings were last reloaded, or that was tried; 0 before.")

	clientConnections = desc("weir_client_connections", "Client connections by state.", "state")
	clientMax         = desc("weir_client_connections_max", "Most client connections that weir accepts.")
	statementBytes    = desc("weir_prepared_statement_bytes", "Text of the prepared statements of all clients, each counted once.")
	clientRefused     = desc("weir_client_connections_refused_total", "Client connections turned away because the most were open.")

	upstreamUp          = desc("weir_upstream_up", "1 if the PostgreSQL server takes connections as far as is known, else 0.", "upstream")
	upstreamOutages     = desc("weir_upstream_outages_total", "Times that the PostgreSQL server stopped taking connections.", "upstream")
	upstreamProbes      = desc("weir_upstream_probes_total", "Connects that were to find out whether the PostgreSQL server is back.", "upstream")
	upstreamDown        = desc("weir_upstream_down_seconds_total", "Time in which the PostgreSQL server took no connections and requests were held.", "upstream")
	upstreamConnections = desc("weir_upstream_connections", "Connections to PostgreSQL by state.", "database", "user", "state")
	upstreamMax         = desc("weir_upstream_connections_max", "Most connections that the pool may open now.", "database", "user")
	upstreamConnect     = desc("weir_upstream_connect_seconds", "Time to connect and log in to PostgreSQL.", "database", "user")
	upstreamErrors      = desc("weir_upstream_errors_total", "Errors that PostgreSQL returned, by class of SQLSTATE.", "database", "user", "sqlstate_class")

	poolWaiting     = desc("weir_pool_waiting", "Requests that wait for a connection to PostgreSQL.", "database", "user")
	poolOldestWait  = desc("weir_pool_oldest_wait_seconds", "How long the oldest waiting request has waited.", "database", "user")
	poolUtilisation = desc("weir_pool_utilisation_ratio", "Connections in use, as a share of the most that the pool may open.", "database", "user")
	poolPinned      = desc("weir_pool_pinned", "Clients that keep their connection to PostgreSQL between transactions.", "database", "user")
	poolOldestPin   = desc("weir_pool_oldest_pin_seconds", "How long the client that was pinned first has kept its connection.", "database", "user")
	poolWait        = desc("weir_pool_wait_seconds", "Time that requests waited for a connection to PostgreSQL.", "database", "user")
	poolRejects     = desc("weir_pool_rejects_total", "Requests refused without a connection to PostgreSQL, by reason.", "database", "user", "reason")

	queries       = desc("weir_queries_total", "Requests that PostgreSQL finished.", "database", "user")
	querySeconds  = desc("weir_query_seconds", "Time that PostgreSQL took for requests.", "database", "user")
	transactions  = desc("weir_tx_total", "Transactions finished.", "database", "user")
	txSeconds     = desc("weir_tx_seconds", "Time that transactions held a connection to PostgreSQL.", "database", "user")
	deferred      = desc("weir_deferred_begins_total", "Transactions whose BEGIN was held back until their first statement.", "database", "user")
	retries       = desc("weir_retries_total", "Requests sent to PostgreSQL again, unseen by the client, by reason.", "database", "user", "reason")
	parses        = desc("weir_prepared_parses_total", "Statements prepared on a connection that lacked them.", "database", "user")
	bytesReceived = desc("weir_received_bytes_total", "Bytes received from clients.", "database", "user")
	bytesSent     = desc("weir_sent_bytes_total", "Bytes sent to clients.", "database", "user")

	listeners         = desc("weir_listeners", "Clients that listen to notifications by the pool's shared connection.", "database", "user")
	listenChannels    = desc("weir_listen_channels", "Channels that the pool's shared connection listens to.", "database", "user")
	notifications     = desc("weir_notifications_total", "Notifications given to clients.", "database", "user")
	notificationsLost = desc("weir_notifications_dropped_total", "Notifications for clients that were disconnected because they did not read them.", "database", "user")

	budgetLimit     = desc("weir_budget_limit", "Limit of connections that pools share, as configured or read from PostgreSQL.", "scope", "name")
	budgetEffective = desc("weir_budget_effective_limit", "The limit as it is now, after PostgreSQL refused connections.", "scope", "name")
	budgetInUse     = desc("weir_budget_in_use", "Connections that count against the limit now.", "scope", "name")

	loopBusy = desc("weir_loop_busy_seconds", "Stints that an event loop spent away from its poller.", "loop")
)

// descriptions lists every metric, for Describe.
var descriptions []*prometheus.Desc

// desc declares a metric and adds it to descriptions.
func desc(name, help string, labels ...string) *prometheus.Desc {
	d := prometheus.NewDesc(name, help, labels, nil)
	descriptions = append(descriptions, d)
	return d
}
