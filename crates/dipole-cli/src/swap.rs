//! `dipole swap`: another network library under a running `dipole serve`.

use std::process::ExitCode;
use std::time::Duration;

use dipole::{Body, Client};
use http::{Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Limited};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use crate::args::SwapArgs;
use crate::output::print;
use crate::{Failure, networks};

/// How long the server may take to answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// The longest answer that is read.
const LONGEST_ANSWER: usize = 64 * 1024;

/// Asks the server behind the admin socket to swap.
pub(crate) fn run(args: &SwapArgs) -> Result<ExitCode, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::job(format_args!("cannot start: {error}")))?;
    let asked = async { tokio::time::timeout(PATIENCE, ask(args)).await };
    let answer = runtime.block_on(asked).map_err(|_| {
        Failure::job(format_args!("{}: no answer within {PATIENCE:?}", args.admin.text()))
    })??;
    if args.json {
        print(&format!("{answer}\n"))?;
        return Ok(ExitCode::SUCCESS);
    }
    let text = |name: &str| answer[name].as_str().unwrap_or_default().to_owned();
    let (from, to) = (text("from"), text("to"));
    let urls = answer["listening"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let lines = urls.map(|url| format!("swapped {url} from {from} to {to}\n"));
    print(&lines.collect::<String>())?;
    Ok(ExitCode::SUCCESS)
}

async fn ask(args: &SwapArgs) -> Result<Value, Failure> {
    let admin = args.admin.text();
    let failed = |why: &dyn std::fmt::Display| Failure::job(format_args!("{admin}: {why}"));
    let client = Client::builder()
        .with_dialer(networks::default().dialer)
        .address(args.admin.addr().clone())
        .build();
    let name = utf8_percent_encode(&args.network, NON_ALPHANUMERIC);
    let uri: Uri = format!("http://admin/swap?network={name}")
        .parse()
        .map_err(|error| failed(&error as &dyn std::fmt::Display))?;
    let mut request = Request::new(Body::empty());
    *request.method_mut() = Method::POST;
    *request.uri_mut() = uri;
    let response = client.request(request).await.map_err(|error| {
        failed(&format_args!("{error}; is there a `dipole serve --admin {admin}`?"))
    })?;
    let status = response.status();
    let body = Limited::new(response.into_body(), LONGEST_ANSWER).collect().await;
    let body = body.map_err(|error| failed(&error as &dyn std::fmt::Display))?.to_bytes();
    let answer: Value = serde_json::from_slice(&body)
        .map_err(|_| failed(&"the answer is not one of `dipole serve --admin`"))?;
    match (status, answer["error"].as_str()) {
        (StatusCode::OK, _) => Ok(answer),
        (_, Some(why)) => Err(failed(&why)),
        (status, None) => Err(failed(&format_args!("the answer is {status}"))),
    }
}
