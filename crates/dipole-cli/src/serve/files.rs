//! From a request to a file, a listing, or why there is none.

use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue, LOCATION, RANGE, VARY};
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri};
use http_body_util::{Either, Full};
use percent_encoding::percent_decode_str;
use tower_http::services::ServeDir;
use tower_http::services::fs::{DefaultServeDirFallback, ServeFileSystemResponseBody};

use super::disk::{Disk, blocking};
use super::preconditions::{Part, if_range_holds, take_part};
use super::{listing, page};
use crate::Failure;

/// How much of a file is read at once, in bytes.
const PIECE: usize = 128 * 1024;

/// A body of this server: a file's, or a text that is all there.
pub(super) type Content = Either<ServeFileSystemResponseBody, Full<Bytes>>;

/// The files of one folder.
#[derive(Debug, Clone)]
pub(super) struct Files {
    /// Without links in it.
    root: PathBuf,
    serve_dir: ServeDir<DefaultServeDirFallback, Disk>,
}

impl Files {
    /// The files of `dir`.
    pub(super) fn of(dir: &Path) -> Result<Self, Failure> {
        let root = dir.canonicalize().and_then(|root| {
            std::fs::read_dir(&root)?;
            Ok(root)
        });
        let root = root.map_err(|error| {
            let hint = match error.kind() {
                io::ErrorKind::NotFound => "name a folder that exists",
                io::ErrorKind::NotADirectory => "name the folder that it is in",
                _ => "name a folder that can be read",
            };
            Failure::Job(format!("cannot serve {}: {error}; {hint}", dir.display()))
        })?;
        let serve_dir = ServeDir::with_backend(&root, Disk)
            .precompressed_br()
            .precompressed_zstd()
            .precompressed_gzip()
            .with_buf_chunk_size(PIECE);
        Ok(Self { root, serve_dir })
    }

    /// Answers a request.
    pub(super) async fn answer(&self, request: &Request<()>) -> Response<Content> {
        let (method, uri) = (request.method(), request.uri());
        if method != Method::GET && method != Method::HEAD {
            let mut answer = page::text(
                StatusCode::METHOD_NOT_ALLOWED,
                "405: files can be had by GET and HEAD only\n",
            );
            answer.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return answer;
        }
        let answer = match self.file(request).await {
            Ok(answer) => answer,
            Err(error) if is_absence(&error) => return self.other(uri).await,
            Err(error) => return failure(&error),
        };
        match answer.status() {
            StatusCode::NOT_FOUND => self.other(uri).await,
            StatusCode::TEMPORARY_REDIRECT => redirect(uri, uri.path()),
            _ => dressed(answer).map(Either::Left),
        }
    }

    /// What `ServeDir` answers.
    async fn file(
        &self,
        request: &Request<()>,
    ) -> io::Result<Response<ServeFileSystemResponseBody>> {
        let mut request = request.clone();
        let part = take_part(&request.method().clone(), request.headers_mut());
        let mut serve_dir = self.serve_dir.clone();
        let Some(part) = part else { return serve_dir.try_call(request).await };
        let asking_for = |part: Part| {
            let mut request = request.clone();
            request.headers_mut().insert(RANGE, part.field());
            request
        };
        let answer = serve_dir.try_call(asking_for(part)).await?;
        let is_of_a_range = matches!(
            answer.status(),
            StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE
        );
        if is_of_a_range && !if_range_holds(request.headers(), answer.headers()) {
            return serve_dir.try_call(request).await;
        }
        match part.instead(&answer) {
            Some(part) => serve_dir.try_call(asking_for(part)).await,
            None => Ok(answer),
        }
    }

    /// What is no file: a folder's listing, or nothing.
    async fn other(&self, uri: &Uri) -> Response<Content> {
        let path = uri.path();
        if !path.ends_with('/') {
            return not_found(path);
        }
        let Some(folder) = resolve(&self.root, path) else {
            return not_found(path);
        };
        if path.contains("//") {
            // So that relative links in the listing lead where they should.
            return redirect(uri, path.trim_end_matches('/'));
        }
        let root = self.root.clone();
        let listed = blocking(move || {
            let folder = folder.canonicalize()?;
            // A link may lead out of the root; its files can be had, as of `ServeDir`, but what is
            // there is nobody's business.
            if !folder.starts_with(&root) {
                return Err(io::ErrorKind::NotFound.into());
            }
            listing::read(&folder, &root)
        });
        match listed.await {
            Ok(listing) => {
                let mut answer = page::html(StatusCode::OK, listing.html(path));
                let no_cache = HeaderValue::from_static("no-cache");
                answer.headers_mut().insert(CACHE_CONTROL, no_cache);
                answer
            }
            Err(error) if is_absence(&error) => not_found(path),
            Err(error) => failure(&error),
        }
    }
}

/// The path below `root` that a URL's path means, the way `ServeDir` reads it.
fn resolve(root: &Path, path: &str) -> Option<PathBuf> {
    let decoded = percent_decode_str(path.trim_start_matches('/')).decode_utf8().ok()?;
    let mut resolved = root.to_owned();
    for component in Path::new(&*decoded).components() {
        match component {
            // On Windows a component such as `c:` would be a path of its own.
            Component::Normal(name)
                if Path::new(name).components().all(|c| matches!(c, Component::Normal(_))) =>
            {
                resolved.push(name);
            }
            Component::CurDir => {}
            _ => return None,
        }
    }
    Some(resolved)
}

/// True when there is nothing that could be had at a path.
fn is_absence(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound
            | io::ErrorKind::NotADirectory
            | io::ErrorKind::PermissionDenied
            | io::ErrorKind::InvalidFilename
            | io::ErrorKind::InvalidInput
    ) || is_link_loop(error)
}

/// `std` has no stable kind for a loop of symbolic links.
fn is_link_loop(error: &io::Error) -> bool {
    #[cfg(unix)]
    return error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error());
    #[cfg(not(unix))]
    return false;
}

/// Headers that `ServeDir` leaves out.
fn dressed<B>(mut answer: Response<B>) -> Response<B> {
    // RFC 9110 15.4.5: a 304 has the `vary` that the 200 would have.
    if answer.status() == StatusCode::NOT_MODIFIED {
        answer.headers_mut().insert(VARY, HeaderValue::from_static("accept-encoding"));
    }
    name_charset(answer.headers_mut());
    answer
}

/// Text without a word on its encoding is shown as Windows-1252 by browsers; today it is UTF-8.
/// HTML says it itself.
fn name_charset(headers: &mut HeaderMap) {
    let Some(media_type) = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()) else {
        return;
    };
    if media_type.starts_with("text/") && media_type != "text/html" && !media_type.contains(';') {
        let with_charset = format!("{media_type}; charset=utf-8");
        if let Ok(value) = HeaderValue::from_str(&with_charset) {
            headers.insert(CONTENT_TYPE, value);
        }
    }
}

/// To the same path with one slash at its end, and none doubled: `//name/` would be another host.
fn redirect(uri: &Uri, path: &str) -> Response<Content> {
    let mut location = String::with_capacity(path.len() + 2);
    for segment in path.split('/').filter(|segment| !segment.is_empty()) {
        location.push('/');
        location.push_str(segment);
    }
    location.push('/');
    if let Some(query) = uri.query() {
        location.push('?');
        location.push_str(query);
    }
    match HeaderValue::from_str(&location) {
        Ok(location) => {
            let mut answer = page::text(StatusCode::TEMPORARY_REDIRECT, "");
            answer.headers_mut().remove(CONTENT_TYPE);
            answer.headers_mut().insert(LOCATION, location);
            answer
        }
        Err(_) => not_found(path),
    }
}

fn not_found(path: &str) -> Response<Content> {
    page::text(StatusCode::NOT_FOUND, format!("404: there is nothing at {path}\n"))
}

/// The machine's fault: the client learns that, the operator (by the log) what.
fn failure(error: &io::Error) -> Response<Content> {
    let mut answer =
        page::text(StatusCode::INTERNAL_SERVER_ERROR, "500: the file cannot be read\n");
    answer.extensions_mut().insert(Fault(error.to_string().into()));
    answer
}

/// What an answer of 500 was for, in its extensions.
#[derive(Debug, Clone)]
pub(super) struct Fault(pub(super) Arc<str>);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_never_leaves_the_root() {
        let root = Path::new("/srv");
        let resolved = |path| resolve(root, path);
        assert_eq!(resolved("/"), Some("/srv".into()));
        assert_eq!(resolved("/a%20b/./c/"), Some("/srv/a b/c".into()));
        assert_eq!(resolved("//etc/"), Some("/srv/etc".into()));
        for path in ["/../", "/a/../../", "/%2e%2e/", "/%2fetc/", "/a%2f..%2f../", "/%ff/"] {
            assert_eq!(resolved(path), None, "{path}");
        }
    }

    #[test]
    fn a_redirect_stays_on_this_host() {
        let uri: Uri = "//evil.example//x?y=1".parse().expect("a URI");
        let answer = redirect(&uri, "//evil.example//x");
        assert_eq!(answer.headers()[LOCATION], "/evil.example/x/?y=1");
    }
}
