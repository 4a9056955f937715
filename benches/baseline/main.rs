//! What our speed is compared with, see docs/benchmarks.md: the least that axum can answer, and the least that Leptos
//! can render. Listens on a free port of this machine and prints the address.
//!
//! `POST /constant` answers the first argument, as JSON.

use std::{env, io};

use axum::{Router, http::header, routing::get, serve::ListenerExt};
use leptos::prelude::*;
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> io::Result<()> {
    // An error means that an executor is set already.
    let _ = any_spawner::Executor::init_tokio();
    let answer: &str = env::args().nth(1).unwrap_or_default().leak();
    let post = async move || ([(header::CONTENT_TYPE, "application/json")], answer);
    let router = Router::new()
        .route("/constant", get(async || "ok\n").post(post))
        .route("/page", get(leptos_axum::render_app_async(page)));
    let socket = TcpListener::bind("127.0.0.1:0").await?;
    println!("http://{}", socket.local_addr()?);
    // As the program does it: small writes leave at once.
    let socket = socket.tap_io(|stream| {
        if let Err(error) = stream.set_nodelay(true) {
            eprintln!("TCP_NODELAY cannot be set: {error}");
        }
    });
    axum::serve(socket, router).await
}

fn page() -> impl IntoView {
    view! {
        <!DOCTYPE html>
        <html lang="en">
            <head>
                <meta charset="utf-8" />
                <title>"Hello"</title>
            </head>
            <body>
                <p>"Hello"</p>
            </body>
        </html>
    }
}
