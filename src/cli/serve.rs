//! `vouchsafe serve`

use std::io::IsTerminal;

use tokio::{net::TcpListener, signal, sync::watch};

use crate::{
    cli::{CliError, say},
    config::{Config, MailTransport},
    jobs::Runner,
    platform::{env::Env, listener, server},
    services::admin_claim,
};

/// Serves until the process is told to stop, then lets requests and jobs under way finish.
pub(super) async fn run(config: Config) -> Result<(), CliError> {
    let listen = config.server.listen;
    let env = server::open(config).await?;
    let router = server::router(env.clone())?;
    let runner = Runner::new(env.clone())?;
    let socket = TcpListener::bind(listen).await.map_err(|error| CliError::Listen(listen, error))?;
    greet(&env).await?;

    let (stop, stopped) = watch::channel(false);
    let stopped = move || {
        let mut stopped = stopped.clone();
        async move {
            // An error means that the sender is gone, which is a stop too.
            let _ = stopped.wait_for(|stop| *stop).await;
        }
    };
    let mut worker = {
        let stopped = stopped.clone();
        tokio::spawn(async move { runner.run(stopped()).await })
    };
    let world = env.clone();
    let watcher = tokio::spawn(async move {
        let ended_early = tokio::select! {
            () = told_to_stop() => {
                tracing::info!("stopping");
                false
            }
            ended = &mut worker => {
                tracing::error!(error = ended.err().map(|error| error.to_string()), "the job runner ended by itself");
                true
            }
        };
        world.stop();
        let _ = stop.send(true);
        if !ended_early && let Err(error) = worker.await {
            tracing::error!(error = %error, "the job runner ended badly");
        }
        ended_early
    });
    listener::serve(socket, router, &env.config.server, stopped()).await;
    let ended_early = watcher.await.unwrap_or(true);
    env.db.close().await;
    // Without anybody who works, whoever looks after us has to begin again.
    if ended_early { Err(CliError::WorkerEnded) } else { Ok(()) }
}

/// Tells what a newcomer needs: the address, the way in for the first admin, where mail is.
async fn greet(env: &Env) -> Result<(), CliError> {
    let config = &env.config;
    let url = &config.server.public_url;
    let claim = admin_claim::issue(env).await?;
    tracing::info!(address = %config.server.listen, "listening");
    if !std::io::stdout().is_terminal() && !config.is_development() {
        if let Some(path) = claim {
            say(&format!("There is no admin yet. Sign in once, within a day: {url}{path}"))?;
        }
        return Ok(());
    }
    say(&format!("\n  {} is ready.\n", config.product.name))?;
    say(&format!("  Open      {url}"))?;
    if let Some(path) = claim {
        say(&format!("  Admin     {url}{path}"))?;
        say("            (there is no admin yet; the link works once, for a day)")?;
    }
    match &config.mail.transport {
        MailTransport::Preview => say(&format!("  Mail      {url}/dev/mailbox (nothing is really sent)"))?,
        MailTransport::Smtp { .. } => say("  Mail      is sent through the mail server of VOUCHSAFE_SMTP_URL")?,
    }
    say("  Stop      Ctrl+C\n")
}

async fn told_to_stop() {
    let interrupted = async {
        if let Err(error) = signal::ctrl_c().await {
            tracing::error!(error = %error, "Ctrl+C cannot be heard");
            std::future::pending::<()>().await;
        }
    };
    #[cfg(unix)]
    let terminated = async {
        match signal::unix::signal(signal::unix::SignalKind::terminate()) {
            Ok(mut signal) => {
                signal.recv().await;
            }
            Err(error) => {
                tracing::error!(error = %error, "SIGTERM cannot be heard");
                std::future::pending::<()>().await;
            }
        }
    };
    #[cfg(not(unix))]
    let terminated = std::future::pending::<()>();
    tokio::select! {
        () = interrupted => {}
        () = terminated => {}
    }
}
