// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"crypto/tls"
	"crypto/x509"

	"github.com/weir-pg/weir/internal/auth"
	"github.com/weir-pg/weir/internal/config"
)

// setup is the settings with all that follows from them. It does not change; a
// reload makes a new one.
type setup struct {
	config      *config.Config
	files       int       // descriptors that this process may have
	named       []poolKey // the pools that the settings name
	identities  *identities
	acceptors   [places]*auth.Acceptor
	certificate *tls.Certificate // weir's own; nil without TLS
}

// Config is the settings as they are now. They do not change; a reload makes new ones.
func (g *Gateway) Config() *config.Config { return g.setup.Load().config }

// newSetup makes a setup, the first or one after former. It changes nothing.
func (g *Gateway) newSetup(cfg *config.Config, former *setup) (*setup, error) {
	for _, notice := range cfg.Notices {
		g.log.Warn("a setting is not used as written", "notice", notice)
	}
	s := &setup{config: cfg, named: configuredPools(cfg)}
	var err error
	if s.files, err = openFiles(cfg); err != nil {
		return nil, err
	}
	if s.identities, err = newIdentities(cfg); err != nil {
		return nil, err
	}
	s.acceptors[outside] = &auth.Acceptor{Users: s.identities, Acquire: g.logins.acquire}
	s.acceptors[inside] = &auth.Acceptor{Users: insiders{}, Acquire: g.logins.acquire}
	if cfg.ClientTLS.Mode == config.TLSDisable {
		return s, nil
	}
	var authorities *x509.CertPool
	if s.certificate, authorities, err = certificates(cfg.ClientTLS, former); err != nil {
		return nil, err
	}
	s.acceptors[outside].TLS = auth.NewTLS(s.certificate, authorities, cfg.ClientTLS.Mode == config.TLSRequire)
	return s, nil
}

// certificates returns weir's certificate, which is the one that the settings
// name or, so that URLs with sslmode=require work, one of its own that stays the
// same; and those of the authorities of clients' ones, nil where none are
// configured.
func certificates(files config.TLS, former *setup) (own *tls.Certificate, authorities *x509.CertPool, err error) {
	switch {
	case files.Cert != "":
		own, err = auth.LoadCertificate(files.Cert, files.Key)
	case former != nil && former.certificate != nil && former.config.ClientTLS.Cert == "":
		own = former.certificate
	default:
		own, err = auth.SelfSigned()
	}
	if err == nil && files.CA != "" {
		authorities, err = auth.LoadAuthorities(files.CA)
	}
	return own, authorities, err
}

// use makes s the setup. Pools are the caller's.
func (g *Gateway) use(s *setup) {
	g.setup.Store(s)
	g.env.BoundStatements(s.config.MaxTotalStatementBytes)
	g.env.SetShortestTimeout(s.config.ShortestTimeout())
}
