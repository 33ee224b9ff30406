//! Servers behind TLS: whom to trust, and what is said of those who can't be trusted.

use std::io::{Read as _, Write as _};
use std::path::Path;
use std::sync::Arc;

use fastgen_tui::event::Outcome;
use rcgen::{CertificateParams, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::server::Server;
use crate::{load, tell, try_load_apart};

/// A certificate, and how a server shows it.
pub struct Shown {
    pub pem: String,
    pub config: Arc<ServerConfig>,
}

/// A certificate for `name`, signed by itself; valid until the end of `until`.
pub fn certificate(name: &str, until: i32, alpn: &[u8]) -> Shown {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new([name.to_owned()]).unwrap();
    params.not_before = rcgen::date_time_ymd(2001, 1, 1);
    params.not_after = rcgen::date_time_ymd(until, 12, 31);
    let certificate = params.self_signed(&key).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        )
        .unwrap();
    config.alpn_protocols = vec![alpn.to_vec()];
    Shown { pem: certificate.pem(), config: Arc::new(config) }
}

/// What stands in front of a plain server.
#[derive(Clone, Copy, PartialEq)]
pub enum Front {
    Tls,
    /// Takes connections, and says nothing after so many.
    SilentAfter(usize),
    /// Closes in the middle of the handshake.
    Closes,
}

/// Takes TLS away, and hands on to a plain server on another port. Gives its own port.
pub fn front(shown: &Shown, kind: Front, behind: u16) -> u16 {
    let acceptor = TlsAcceptor::from(shown.config.clone());
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    listener.set_nonblocking(true).unwrap();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = TcpListener::from_std(listener).unwrap();
            let mut held = Vec::new();
            for i in 0.. {
                let Ok((socket, _)) = listener.accept().await else { return };
                match kind {
                    Front::SilentAfter(n) if i >= n => held.push(socket),
                    Front::Closes => {}
                    _ => drop(tokio::spawn(hand_on(acceptor.clone(), socket, behind))),
                }
            }
        });
    });
    port
}

async fn hand_on(acceptor: TlsAcceptor, socket: TcpStream, behind: u16) {
    if let (Ok(mut outside), Ok(mut inside)) =
        (acceptor.accept(socket).await, TcpStream::connect(("127.0.0.1", behind)).await)
    {
        let _ = tokio::io::copy_bidirectional(&mut outside, &mut inside).await;
    }
}

/// A server that answers whatever comes with an error in plain HTTP.
fn speaks_plain_http() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for mut socket in listener.incoming().map_while(Result::ok) {
            let mut hello = [0; 4096];
            let _ = socket.read(&mut hello);
            let _ = socket.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
        }
    });
    port
}

fn file(folder: &Path, pem: &str) -> String {
    let path = folder.join("ca.pem");
    std::fs::write(&path, pem).unwrap();
    format!("ca_file = \"{}\"", path.display())
}

#[tokio::test]
async fn streams_over_tls_are_exact() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start();
    let shown = certificate("localhost", 2090, b"http/1.1");
    let port = front(&shown, Front::Tls, server.port);
    let trusted = file(folder.path(), &shown.pem);
    for more in [trusted.as_str(), "tls_verify = false", &format!("{trusted}\nconnection = \"per-request\"")]
    {
        for scenario in ["plain", "slow-plain", "habits", "late-rest", "until-close", "whole"] {
            let backend = load(&format!("https://localhost:{port}/{scenario}/v1"), more);
            let noted = backend.info().notes.iter().any(|note| note.contains("CERTIFICATES NOT CHECKED"));
            assert_eq!(noted, more.contains("tls_verify"));
            for _ in 0..3 {
                let story = tell(&*backend, 5).await;
                assert_eq!(story.end.outcome, Outcome::Completed, "{scenario}: {:?}", story.end.error);
                assert_eq!(story.end.output_tokens, 5, "{scenario}");
                let timed = story.at_ns.is_sorted() && story.at_ns.first().is_some_and(|at| *at > 0);
                assert!(timed || scenario == "whole", "{scenario}: {:?}", story.at_ns);
            }
        }
    }
}

#[test]
fn who_can_not_be_trusted_is_named_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start();
    let good = certificate("localhost", 2090, b"http/1.1");
    let old = certificate("localhost", 2020, b"http/1.1");
    let other = certificate("gpu7.example", 2090, b"http/1.1");
    let tls = |shown, kind| format!("https://localhost:{}/plain/v1", front(shown, kind, server.port));
    let plain = format!("https://localhost:{}/plain/v1", speaks_plain_http());
    let empty = folder.path().join("empty.pem");
    std::fs::write(&empty, "hello\n").unwrap();
    for (url, trusted, words) in [
        (
            tls(&good, Front::Tls),
            &other.pem,
            "by backend.ca_file, or for a test server of your own set backend.tls_verify",
        ),
        (tls(&old, Front::Tls), &old.pem, "has expired on 2020-12-31"),
        (tls(&other, Front::Tls), &other.pem, "is for gpu7.example, not for \"localhost\""),
        (tls(&good, Front::Closes), &good.pem, "closed the connection in the TLS handshake"),
        (plain, &good.pem, "speaks no TLS on port"),
    ] {
        let said = try_load_apart(&url, &file(folder.path(), trusted));
        assert!(said.contains(words) && said.contains("no TLS connection to https://localhost:"), "{said}");
        assert!(said.len() < 500 && !said.chars().any(char::is_control), "{said}");
    }
    let url = tls(&good, Front::Tls);
    for (more, words) in [
        (format!("ca_file = \"{}\"", empty.display()), "holds no certificate"),
        ("ca_file = \"/nowhere.pem\"".into(), "/nowhere.pem: can't be read"),
        (
            format!("{}\nhttp = \"2\"", file(folder.path(), &good.pem)),
            "does not offer HTTP/2 in the TLS handshake",
        ),
    ] {
        let said = try_load_apart(&url, &more);
        assert!(said.contains(words), "{said}");
    }
    let said = try_load_apart(&url.replace("https", "http"), "");
    assert!(said.contains("no server to measure"), "{said}");
}

#[test]
fn a_handshake_that_never_ends_is_given_up() {
    let server = Server::start();
    let shown = certificate("localhost", 2090, b"http/1.1");
    let url = format!("https://localhost:{}/plain/v1", front(&shown, Front::SilentAfter(0), server.port));
    let said = try_load_apart(&url, "tls_verify = false\n[load]\nconnect_timeout = \"200ms\"");
    assert!(
        said.contains("did not answer the TLS handshake within 200ms (load.connect_timeout); if"),
        "{said}"
    );
}

#[tokio::test]
async fn a_connection_that_comes_too_late_is_a_time_out_of_its_own() {
    let server = Server::start();
    let shown = certificate("localhost", 2090, b"http/1.1");
    let url = format!("https://localhost:{}/plain/v1", front(&shown, Front::SilentAfter(1), server.port));
    let backend = load(&url, "tls_verify = false\n[load]\nconnect_timeout = \"200ms\"");
    let end = tell(&*backend, 3).await.end;
    assert_eq!(end.outcome, Outcome::TimedOutConnect, "{:?}", end.error);
}
