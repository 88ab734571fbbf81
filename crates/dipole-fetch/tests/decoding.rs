//! Bodies that come compressed.

use dipole_fetch::Decoding;
use dipole_http::{Body, BodyError, Client, ClientError, ClientService, ResponseExt as _};
use dipole_sim::{Config, Network};
use http::{Request, Response};

const TEXT: &str = "hello hello hello hello hello\n";

/// [`TEXT`], by encoding: made by gzip, zlib, brotli and zstd.
const ENCODED: [(&str, &str); 4] = [
    ("gzip", "1f8b0800000000000203cb48cdc9c957c8c04e720100680231661e000000"),
    ("deflate", "789ccb48cdc9c957c8c04e720100adff0aef"),
    ("br", "1b1d00f88d946ede445586d60a206c6f4a117ae280522d00"),
    ("zstd", "28b52ffd04586d00003868656c6c6f200a0100a94b111a4872ab"),
];

fn bytes(hex: &str) -> Vec<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16).expect("a digit") as u8;
    hex.as_bytes().chunks(2).map(|pair| digit(pair[0]) * 16 + digit(pair[1])).collect()
}

/// What a client makes of an answer in `encoding`.
async fn answered(encoding: &'static str, body: Vec<u8>) -> Response<Body> {
    let server = tower::layer::layer_fn(move |_: ClientService| {
        let body = body.clone();
        tower::service_fn(move |request: Request<Body>| {
            let accepts = request.headers()["accept-encoding"].to_str().expect("text").to_owned();
            for (encoding, _) in ENCODED {
                assert!(accepts.contains(encoding), "{accepts}");
            }
            let response = Response::builder().header("content-encoding", encoding);
            let response = response.header("content-length", body.len());
            let response = response.body(Body::from(body.clone())).expect("a response");
            std::future::ready(Ok::<_, ClientError>(response))
        })
    });
    let client = Client::builder().with_dialer(Network::new(Config::default())).build();
    let client = client.layer(server).layer(Decoding);
    client.get("http://far/").send().await.expect("a response")
}

#[tokio::test]
async fn each_encoding_is_asked_for_and_decoded() {
    for (encoding, hex) in ENCODED {
        let response = answered(encoding, bytes(hex)).await;
        assert!(response.headers().get("content-encoding").is_none());
        assert!(response.headers().get("content-length").is_none());
        assert_eq!(response.text().await.expect(encoding), TEXT);
    }
    let response = answered("identity", TEXT.into()).await;
    assert_eq!(response.text().await.expect("text"), TEXT);
}

#[tokio::test]
async fn what_is_cut_short_or_changed_never_passes_for_whole() {
    for (encoding, hex) in ENCODED {
        let whole = bytes(hex);
        for end in 1..whole.len() {
            let outcome = answered(encoding, whole[..end].to_vec()).await.text().await;
            assert!(outcome.is_err(), "{encoding} cut at {end}: {outcome:?}");
        }
    }
    let mut changed = bytes(ENCODED[0].1);
    changed[22] ^= 1;
    let error = answered("gzip", changed).await.bytes().await.expect_err("its sum is wrong");
    assert!(matches!(error, BodyError::Other(_)), "{error}");
}

#[tokio::test]
async fn the_limit_counts_decoded_bytes() {
    let response = answered("gzip", bytes(ENCODED[0].1)).await;
    let error = response.bytes_within(TEXT.len() - 1).await.expect_err("it is larger");
    assert!(matches!(error, BodyError::TooLarge { .. }), "{error}");
}
