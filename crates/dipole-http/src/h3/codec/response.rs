//! A response's head, out of its field section.

use http::{Response, StatusCode, Version};

use super::fields::{Pseudo, Section, SectionFault};
use super::request::check_fields;

/// A response, and what its `content-length` says.
#[derive(Debug)]
pub(crate) struct ResponseHead {
    pub(crate) response: Response<()>,
    pub(crate) content_length: Option<u64>,
}

/// Reads a response's head.
///
/// # Errors
/// `Malformed`, where RFC 9114 sections 4.2, 4.3.2 and 4.5 say so.
pub(crate) fn read(section: Section) -> Result<ResponseHead, SectionFault> {
    let Section { mut pseudo, fields } = section;
    let status = pseudo.status.take().ok_or(SectionFault::Malformed)?;
    if !Pseudo::is_empty(&pseudo) {
        return Err(SectionFault::Malformed);
    }
    let status = StatusCode::from_bytes(&status).map_err(|_| SectionFault::Malformed)?;
    // RFC 9114 4.5: HTTP/3 has no switch of protocols.
    if status == StatusCode::SWITCHING_PROTOCOLS {
        return Err(SectionFault::Malformed);
    }
    let content_length = check_fields(&fields)?;
    let mut response = Response::new(());
    *response.status_mut() = status;
    *response.version_mut() = Version::HTTP_3;
    *response.headers_mut() = fields;
    Ok(ResponseHead { response, content_length })
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn section(status: &str, fields: &[(&'static str, &'static str)]) -> Section {
        let mut section = Section::default();
        section.pseudo.status = Some(Bytes::copy_from_slice(status.as_bytes()));
        for (name, value) in fields {
            section.fields.append(*name, value.parse().unwrap());
        }
        section
    }

    #[test]
    fn a_response_has_its_status_and_its_length() {
        let head = read(section("299", &[("content-length", "5"), ("x", "y")])).unwrap();
        assert_eq!((head.response.status().as_u16(), head.content_length), (299, Some(5)));
        assert_eq!(head.response.headers()["x"], "y");
    }

    #[test]
    fn malformed_responses_are_refused() {
        for status in ["", "20", "2000", "abc", "101", "+20"] {
            assert_eq!(read(section(status, &[])).unwrap_err(), SectionFault::Malformed);
        }
        for field in [("connection", "x"), ("content-length", "x"), ("content-length", "+1")] {
            assert_eq!(read(section("200", &[field])).unwrap_err(), SectionFault::Malformed);
        }
        let two = [("content-length", "1"), ("content-length", "2")];
        assert!(read(section("200", &two)).is_err());
        let mut with_path = section("200", &[]);
        with_path.pseudo.path = Some(Bytes::from_static(b"/"));
        assert!(read(with_path).is_err());
        assert!(read(Section::default()).is_err());
    }
}
