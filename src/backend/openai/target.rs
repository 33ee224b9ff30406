//! A base URL, taken apart.

use http::Uri;

/// Where a server is: `http[s]://HOST[:PORT][/PREFIX]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// It is `https://`.
    pub tls: bool,
    pub host: String,
    pub port: u16,
    /// The `Host` header.
    pub authority: String,
    /// What stands before `/completions`, e.g. `/v1`; without a slash at its end.
    pub prefix: String,
}

impl Target {
    /// Reads a base URL. Without a path, `/v1` is meant.
    ///
    /// # Errors
    /// What is wrong, without repeating a password that stands in it.
    pub fn parse(url: &str) -> Result<Self, String> {
        let wrong = |why: &str| Err(format!("{why}; write e.g. \"http://127.0.0.1:8000/v1\""));
        let Some((scheme, rest)) = url.trim().split_once("://") else {
            return wrong("a base URL needs its scheme, http:// or https://");
        };
        let tls = match scheme.to_ascii_lowercase().as_str() {
            "http" => false,
            "https" => true,
            _ => return wrong("a base URL begins with http:// or https://"),
        };
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        if rest[..end].contains('@') {
            return wrong(
                "a base URL must hold no user or password: they would be recorded; name a variable by api_key_env",
            );
        }
        if rest[end..].contains(['?', '#']) {
            return wrong("a base URL has no `?` or `#`");
        }
        let Ok(uri) = url.trim().parse::<Uri>() else { return wrong("this is no URL") };
        let Some(authority) = uri.authority() else { return wrong("the host is missing") };
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        if host.is_empty() {
            return wrong("the host is missing");
        }
        let port = match rest[..end].strip_prefix(authority.host()) {
            Some("") if tls => 443,
            Some("") => 80,
            _ => match authority.port_u16() {
                Some(port) if port > 0 => port,
                _ => return wrong("the port must be a number from 1 to 65535"),
            },
        };
        let path = uri.path().trim_end_matches('/');
        let prefix = path.strip_suffix("/chat/completions").or_else(|| path.strip_suffix("/completions"));
        let prefix = prefix.unwrap_or(path);
        Ok(Self {
            tls,
            host: host.to_owned(),
            port,
            authority: authority.to_string(),
            prefix: if prefix.is_empty() { "/v1".into() } else { prefix.to_owned() },
        })
    }

    /// The base URL, for messages.
    pub fn shown(&self) -> String {
        format!("{}://{}{}", self.scheme(), self.authority, self.prefix)
    }

    /// `http` or `https`.
    pub fn scheme(&self) -> &'static str {
        if self.tls { "https" } else { "http" }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that fails may panic")]
mod tests {
    use super::*;

    #[test]
    fn urls_are_taken_apart() {
        for (url, host, port, shown) in [
            ("http://127.0.0.1:8000/v1", "127.0.0.1", 8000, "http://127.0.0.1:8000/v1"),
            ("http://127.0.0.1:8000", "127.0.0.1", 8000, "http://127.0.0.1:8000/v1"),
            ("https://gpu/v1", "gpu", 443, "https://gpu/v1"),
            ("https://gpu:8443", "gpu", 8443, "https://gpu:8443/v1"),
            (" HTTP://gpu/ ", "gpu", 80, "http://gpu/v1"),
            ("http://[::1]:9/a/v1/", "::1", 9, "http://[::1]:9/a/v1"),
            ("http://gpu:81/v1/chat/completions", "gpu", 81, "http://gpu:81/v1"),
        ] {
            let target = Target::parse(url).unwrap();
            assert_eq!((target.host.as_str(), target.port), (host, port), "{url}");
            assert_eq!(target.shown(), shown);
        }
    }

    #[test]
    fn wrong_urls_are_explained() {
        for (url, why) in [
            ("127.0.0.1:8000/v1", "needs its scheme"),
            ("", "needs its scheme"),
            ("ftp://x", "begins with http://"),
            ("http://", ""),
            ("http:///v1", ""),
            ("http://:80", ""),
            ("http://x:99999", "port"),
            ("http://x:", "port"),
            ("http://x:0", "port"),
            ("http://x/v1?key=1", "no `?`"),
            ("http://a b/", "no URL"),
            ("http://me:s3cret@x/v1", "no user or password"),
        ] {
            let said = Target::parse(url).unwrap_err();
            assert!(said.contains(why) && !said.contains("s3cret"), "{url}: {said}");
        }
    }
}
