//! From the command line to a request.

use dipole::Body;
use dipole::dialers::Credentials;
use dipole::net::Addr;
use http::header::{
    ACCEPT, AUTHORIZATION, CONTENT_TYPE, COOKIE, HeaderName, HeaderValue, USER_AGENT,
};
use http::{HeaderMap, Method, Request, Uri};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use super::{unix, upload};
use crate::Failure;
use crate::args::GetArgs;

/// What people write into URLs and what may not be there (RFC 3986 2); `%` stays, so that what is
/// encoded already is left alone.
const NOT_IN_URLS: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'<')
    .add(b'>')
    .add(b'\\')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// What the command line asks for.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) request: Request<Body>,
    /// Where to connect to; `None` is the URL's host.
    pub(super) via: Option<Addr>,
}

impl Asked {
    /// What `args` ask for.
    pub(super) fn of(args: &GetArgs) -> Result<Self, Failure> {
        let (uri, via) = match unix::split(&args.url)? {
            Some((addr, _)) if args.unix_socket.is_some() || args.proxy.is_some() => {
                let text = format!("the URL names {addr}: leave --unix-socket and --proxy out");
                return Err(Failure::Usage(text));
            }
            Some((addr, rest)) => (url(&rest)?, Some(addr)),
            None => {
                let path = args.unix_socket.as_deref();
                (url(&args.url)?, path.map(unix::addr).transpose()?)
            }
        };
        let method = match &args.method {
            Some(method) => method.parse().map_err(|_| {
                Failure::usage(format_args!("{method:?} is not a method: it is one word"))
            })?,
            None if args.data.is_some() => Method::POST,
            None => Method::GET,
        };
        let headers = headers(args)?;
        let body = match &args.data {
            None => Body::empty(),
            Some(data) => body(data)?,
        };
        let mut request = Request::new(body);
        *request.method_mut() = method;
        *request.uri_mut() = uri;
        *request.headers_mut() = headers;
        Ok(Self { request, via })
    }
}

/// The URL that a text means.
fn url(text: &str) -> Result<Uri, Failure> {
    let wrong = |why: &str| Failure::Usage(format!("{text:?} is not a URL: {why}"));
    let whole = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
    let uri: Uri = utf8_percent_encode(&whole, NOT_IN_URLS)
        .to_string()
        .parse()
        .map_err(|error: http::uri::InvalidUri| wrong(&error.to_string()))?;
    match uri.scheme_str() {
        Some("http" | "https") => {}
        _ => return Err(wrong("it begins with http:// or https://")),
    }
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    if authority.contains('@') {
        return Err(wrong("names and passwords are sent by --user USER:PASSWORD"));
    }
    if uri.host().is_none_or(str::is_empty) {
        return Err(wrong("it names no host"));
    }
    // A port that is no number passes `Uri`.
    if uri.port().is_none() && authority.rsplit(']').next().is_some_and(|end| end.contains(':')) {
        return Err(wrong("its port is a number up to 65535"));
    }
    Ok(uri)
}

fn headers(args: &GetArgs) -> Result<HeaderMap, Failure> {
    let mut headers = HeaderMap::new();
    for text in &args.header {
        let (name, value) = header(text)?;
        headers.append(name, value);
    }
    let agent = HeaderValue::from_static(concat!("dipole/", env!("CARGO_PKG_VERSION")));
    headers.entry(USER_AGENT).or_insert(agent);
    headers.entry(ACCEPT).or_insert(HeaderValue::from_static("*/*"));
    if let Some(user) = &args.user {
        let Some((user, password)) = user.split_once(':') else {
            return Err(Failure::usage("--user is USER:PASSWORD"));
        };
        let value = HeaderValue::try_from(Credentials::new(user, password).basic());
        let mut value = value.expect("base64 has visible letters alone");
        value.set_sensitive(true);
        headers.entry(AUTHORIZATION).or_insert(value);
    }
    if let Some(cookie) = &args.cookie {
        let value = HeaderValue::try_from(cookie)
            .map_err(|_| Failure::Usage(format!("{cookie:?} are no cookies")))?;
        headers.entry(COOKIE).or_insert(value);
    }
    if args.data.is_some() {
        // As curl does it.
        let form = HeaderValue::from_static("application/x-www-form-urlencoded");
        headers.entry(CONTENT_TYPE).or_insert(form);
    }
    Ok(headers)
}

fn header(text: &str) -> Result<(HeaderName, HeaderValue), Failure> {
    let parsed = text
        .split_once(':')
        .and_then(|(name, value)| Some((name.trim().parse().ok()?, value.trim().parse().ok()?)));
    parsed.ok_or_else(|| {
        Failure::Usage(format!("{text:?} is not a header: write --header 'name: value'"))
    })
}

fn body(data: &str) -> Result<Body, Failure> {
    match data.strip_prefix('@') {
        None => Ok(Body::full(data.to_owned())),
        Some("-") => upload::stdin(),
        Some(path) => upload::file(path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_may_be_written_short_and_with_any_letters() {
        let text = |written: &str| url(written).map(|uri| uri.to_string());
        assert_eq!(
            text("localhost:80/a b/ü?x=%20"),
            Ok("http://localhost:80/a%20b/%C3%BC?x=%20".into())
        );
        assert_eq!(text("http://[::1]:8080"), Ok("http://[::1]:8080/".into()));
        assert_eq!(text("http://[::1]/#part"), Ok("http://[::1]/".into()));
        assert_eq!(text("example.org"), Ok("http://example.org/".into()));
        assert_eq!(text("https://example.org"), Ok("https://example.org/".into()));
    }

    #[test]
    fn what_is_no_url_says_why() {
        for wrong in
            ["", "http://", "ftp://x/", "http://u:p@host/", "http://x:99999/", "http://x:y/"]
        {
            assert!(matches!(url(wrong), Err(Failure::Usage(_))), "{wrong:?}: {:?}", url(wrong));
        }
    }

    #[test]
    fn a_header_is_a_name_and_a_value() {
        assert_eq!(
            header("X-A:  b: c "),
            Ok((HeaderName::from_static("x-a"), HeaderValue::from_static("b: c")))
        );
        assert!(header("X-A:").is_ok());
        for wrong in ["", "x", ": y", "a b: c", "x: a\nb"] {
            assert!(header(wrong).is_err(), "{wrong:?}");
        }
    }
}
