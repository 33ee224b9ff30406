//! TLS: whom to trust, the handshake, and in plain words why it failed.

use std::io;
use std::path::Path;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    AlertDescription, CertificateError, ClientConfig, DigitallySignedStruct, Error, OtherError,
    RootCertStore, SignatureScheme,
};
use tokio_rustls::TlsConnector;

use super::fault::{Fault, harmless};
use super::socket::{Socket, Stamped};
use super::target::Target;
use crate::event::Outcome;
use crate::profile::{Backend, HttpVersion};

/// The HTTP versions' names in the handshake.
const H1: &[u8] = b"http/1.1";
const H2: &[u8] = b"h2";

/// A failed setup: the profile's key to blame, and what is wrong.
pub type Wrong = (&'static str, String);

/// How TLS is spoken with a run's servers.
#[derive(Clone)]
pub struct Tls {
    config: Arc<ClientConfig>,
    http: HttpVersion,
}

impl Tls {
    /// Reads whom to trust: the system's authorities and the profile's own.
    ///
    /// # Errors
    /// There is nobody to trust, or the profile's file can't be used.
    pub fn new(settings: &Backend) -> Result<Self, Wrong> {
        let provider = Arc::new(ring::default_provider());
        let broken = |error: Error| ("backend.urls", format!("TLS can't be set up: {error}"));
        let builder = ClientConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(broken)?;
        let mut config = if settings.tls_verify {
            let roots = roots(settings.ca_file.as_deref())?;
            builder.with_root_certificates(roots).with_no_client_auth()
        } else {
            let anybody = Arc::new(Anybody(provider));
            builder.dangerous().with_custom_certificate_verifier(anybody).with_no_client_auth()
        };
        config.alpn_protocols = vec![match settings.http {
            HttpVersion::One => H1.to_vec(),
            HttpVersion::Two => H2.to_vec(),
        }];
        Ok(Self { config: Arc::new(config), http: settings.http })
    }

    /// The handshake over a connected socket.
    ///
    /// # Errors
    /// Why the server can't be trusted, or speaks no TLS.
    pub async fn over(&self, socket: Stamped, target: &Target) -> Result<Socket, Fault> {
        let refused = |why: String| {
            Fault::new(Outcome::FailedConnect, format!("no TLS connection to {}: {why}", target.shown()))
        };
        let name = ServerName::try_from(target.host.clone())
            .map_err(|_| refused(format!("\"{}\" can't be a name in a certificate", target.host)))?;
        let connector = TlsConnector::from(self.config.clone());
        let stream =
            connector.connect(name, socket).await.map_err(|error| refused(explain(&error, target)))?;
        if self.http == HttpVersion::Two && stream.get_ref().1.alpn_protocol() != Some(H2) {
            return Err(refused(NO_HTTP2.into()));
        }
        Ok(Socket::Tls(Box::new(stream)))
    }
}

const NO_HTTP2: &str =
    "the server does not offer HTTP/2 in the TLS handshake; leave backend.http out to speak HTTP/1.1";

fn roots(own: Option<&Path>) -> Result<RootCertStore, Wrong> {
    let mut roots = RootCertStore::empty();
    let system = rustls_native_certs::load_native_certs();
    // One that can't be read is one that nobody is trusted by; a machine's store often holds a few.
    let (_, _) = roots.add_parsable_certificates(system.certs);
    if let Some(path) = own {
        let wrong = |why: String| ("backend.ca_file", format!("{}: {why}", path.display()));
        let file = std::fs::read(path).map_err(|error| wrong(format!("can't be read: {error}")))?;
        let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&file).collect();
        let found = found.map_err(|error| wrong(format!("is no PEM file: {error}")))?;
        if found.is_empty() {
            return Err(wrong(
                "holds no certificate; it must be a PEM file (-----BEGIN CERTIFICATE-----)".into(),
            ));
        }
        for certificate in found {
            roots
                .add(certificate)
                .map_err(|error| wrong(format!("holds a certificate that can't be used: {error}")))?;
        }
    }
    if roots.is_empty() {
        let why = system.errors.first().map_or_else(String::new, |error| format!(" ({error})"));
        let why = format!(
            "https:// needs certificates to trust, and this machine has none{why}; install its package \
             `ca-certificates`, or name a PEM file by backend.ca_file"
        );
        return Err(("backend.urls", why));
    }
    Ok(roots)
}

/// Why a handshake failed.
fn explain(error: &io::Error, target: &Target) -> String {
    let Some(tls) = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) else {
        return match error.kind() {
            io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset => {
                "the server closed the connection in the TLS handshake; does it speak TLS on that port?"
                    .into()
            }
            _ => harmless(&error.to_string()),
        };
    };
    match tls {
        Error::InvalidCertificate(wrong) => certificate(wrong, target),
        Error::InvalidMessage(_) => {
            format!("the server speaks no TLS on port {}; if it is plain HTTP, write http://", target.port)
        }
        Error::AlertReceived(AlertDescription::NoApplicationProtocol) | Error::NoApplicationProtocol => {
            NO_HTTP2.into()
        }
        Error::AlertReceived(AlertDescription::ProtocolVersion | AlertDescription::HandshakeFailure)
        | Error::PeerIncompatible(_) => {
            format!(
                "server and client have no TLS version or cipher in common (1.2 and 1.3 are spoken): {tls}"
            )
        }
        Error::AlertReceived(AlertDescription::CertificateRequired) => {
            "the server wants a certificate of the client's, which this version can't send".into()
        }
        Error::AlertReceived(AlertDescription::UnrecognisedName) => {
            format!("the server knows no host \"{}\"", target.host)
        }
        other => harmless(&other.to_string()),
    }
}

/// Why a certificate is not good enough.
fn certificate(wrong: &CertificateError, target: &Target) -> String {
    let host = &target.host;
    match wrong {
        CertificateError::Expired => "the server's certificate has expired".into(),
        CertificateError::ExpiredContext { not_after, .. } => {
            format!("the server's certificate has expired on {}", day(*not_after))
        }
        CertificateError::NotValidYet => "the server's certificate is not valid yet".into(),
        CertificateError::NotValidYetContext { not_before, .. } => {
            format!(
                "the server's certificate is not valid before {}; is this machine's clock right?",
                day(*not_before)
            )
        }
        CertificateError::NotValidForName => format!("the server's certificate is not for \"{host}\""),
        CertificateError::NotValidForNameContext { presented, .. } => {
            // They come as `DnsName("gpu7.example")`, `IpAddress(10.0.0.7)`.
            let bare = |name: &String| {
                let inner = name.split_once('(').map_or(name.as_str(), |(_, inner)| inner);
                inner.trim_end_matches(')').trim_matches('"').to_owned()
            };
            let names = presented.iter().map(bare).collect::<Vec<_>>().join(", ");
            let names = if names.is_empty() { "no name".into() } else { harmless(&names) };
            format!("the server's certificate is for {names}, not for \"{host}\"")
        }
        // A wrong signature is that of somebody with a trusted one's name.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            "nobody whom this machine trusts has signed the server's certificate; name the authority's certificate \
             by backend.ca_file, or for a test server of your own set backend.tls_verify = false"
                .into()
        }
        CertificateError::Revoked => "the server's certificate was revoked".into(),
        CertificateError::Other(OtherError(other)) => {
            format!("the server's certificate can't be used: {}", harmless(&other.to_string()))
        }
        other => format!("the server's certificate can't be used: {}", harmless(&other.to_string())),
    }
}

fn day(time: UnixTime) -> String {
    let seconds = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    jiff::Timestamp::from_second(seconds)
        .map_or_else(|_| "a day far off".into(), |at| at.strftime("%Y-%m-%d").to_string())
}

/// Trusts anybody, as `tls_verify = false` asks for. Signatures are still checked: a handshake that contradicts
/// itself is a broken server, not an unknown one.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
