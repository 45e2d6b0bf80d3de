//! The HTTP that a load needs: one `GET` that is repeated, and one login.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;

/// Where a server is, from `http://authority/path`.
pub(super) fn authority(url: &str) -> Result<&str, String> {
    let rest = url.strip_prefix("http://");
    let authority = rest.and_then(|rest| rest.split('/').next());
    authority.ok_or_else(|| format!("`{url}` is no URL of a server"))
}

/// The request that is repeated.
pub(super) fn request(url: &str, header: &str) -> Result<String, String> {
    let authority = authority(url)?;
    let path = url.split_once(authority).map_or("/", |(_, path)| path);
    Ok(format!(
        "GET {path} HTTP/1.1\r\nHost: {authority}\r\n{header}\r\n\r\n"
    ))
}

/// Logs in with `POST /login` and makes a header of the cookie that comes back.
pub(super) fn login(url: &str) -> Result<String, String> {
    let authority = authority(url)?;
    let exchange = || {
        let mut connection = TcpStream::connect(authority)?;
        let fields = format!("Host: {authority}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        connection.write_all(format!("POST /login HTTP/1.1\r\n{fields}").as_bytes())?;
        let mut answer = String::new();
        connection.read_to_string(&mut answer)?;
        Ok(answer)
    };
    let answer = exchange().map_err(|error: std::io::Error| error.to_string())?;
    let fields = answer.lines().filter_map(|line| line.split_once(": "));
    let mut cookies = fields.filter(|(name, _)| name.eq_ignore_ascii_case("set-cookie"));
    let cookie = cookies
        .next()
        .and_then(|(_, value)| value.split(';').next());
    let cookie = cookie.ok_or_else(|| format!("a login is answered with\n{answer}"))?;
    Ok(format!("Cookie: {cookie}"))
}

/// Logs in so many times over one connection, and makes a header of each cookie.
pub(super) fn logins(url: &str, count: u32) -> Result<Vec<String>, String> {
    let authority = authority(url)?;
    let connect = TcpStream::connect(authority).map_err(|error| error.to_string())?;
    let mut connection = BufReader::new(connect);
    let request = format!("POST /login HTTP/1.1\r\nHost: {authority}\r\nContent-Length: 0\r\n\r\n");
    let mut cookies = Vec::new();
    for _ in 0..count {
        let sent = connection.get_mut().write_all(request.as_bytes());
        sent.map_err(|error| error.to_string())?;
        let mut cookie = None;
        loop {
            let mut line = String::new();
            let read = connection.read_line(&mut line);
            if read.map_err(|error| error.to_string())? <= 2 {
                // Such an answer has no body.
                break;
            }
            if let Some((name, value)) = line.split_once(": ")
                && name.eq_ignore_ascii_case("set-cookie")
            {
                cookie = value
                    .split(';')
                    .next()
                    .map(|cookie| format!("Cookie: {cookie}"));
            }
        }
        cookies.push(cookie.ok_or("a login sets no cookie")?);
    }
    Ok(cookies)
}

/// The length of an answer, if all of its head has been read.
///
/// # Errors
/// If it is no success, or has no `Content-Length`.
pub(super) fn length(begun: &[u8]) -> Result<Option<usize>, String> {
    let Some(end) = begun.windows(4).position(|four| four == b"\r\n\r\n") else {
        return Ok(None);
    };
    let head = String::from_utf8_lossy(begun.get(..end).unwrap_or_default()).into_owned();
    if !head.starts_with("HTTP/1.1 200 ") {
        return Err(head);
    }
    let fields = head.lines().filter_map(|line| line.split_once(':'));
    let mut lengths = fields.filter(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    let body = lengths
        .next()
        .and_then(|(_, value)| value.trim().parse::<usize>().ok());
    body.map(|body| Some(end + 4 + body)).ok_or(head)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_names_its_path_and_host() {
        let request = request("http://127.0.0.1:80/api/me", "A: b").unwrap();
        assert_eq!(
            request,
            "GET /api/me HTTP/1.1\r\nHost: 127.0.0.1:80\r\nA: b\r\n\r\n"
        );
        assert!(authority("ftp://x").is_err());
    }

    #[test]
    fn an_answer_is_as_long_as_its_head_says() {
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";
        assert_eq!(length(answer), Ok(Some(answer.len())));
        assert_eq!(length(&answer[..20]), Ok(None));
        assert!(length(b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n").is_err());
        assert!(length(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
    }
}
