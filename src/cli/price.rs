//! `vouchsafe price`

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::{
    cli::{CliError, OPERATOR, say, say_json},
    domain::{
        ids::TierId,
        payment::{BillingInterval, Provider, TierPrice},
    },
    platform::env::Env,
    services::prices::{self, NewPrice},
};

#[derive(Debug, Subcommand)]
pub(super) enum PriceCommand {
    /// List what the providers' prices buy, tab-separated: tier, provider, interval, price
    List(List),
    /// Say that a price buys a tier
    Set(Set),
    /// Take a price away: nobody gets anything for it any more; what was bought stays bought
    Remove(Remove),
}

#[derive(Debug, Args)]
pub(super) struct List {
    /// Of this tier only
    #[arg(long)]
    tier: Option<TierId>,
    /// As JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Set {
    /// The tier
    tier: TierId,
    /// Who takes the money: stripe, paddle or polar
    provider: Provider,
    /// The provider's id of the price; of the product at Polar
    price: String,
    /// How often it is paid: month or year
    #[arg(long, default_value = "month")]
    interval: BillingInterval,
}

#[derive(Debug, Args)]
pub(super) struct Remove {
    /// Who takes the money: stripe, paddle or polar
    provider: Provider,
    /// The provider's id of the price; of the product at Polar
    price: String,
}

impl PriceCommand {
    pub(super) async fn run(self, env: &Env) -> Result<(), CliError> {
        let all = prices::list(env).await?;
        match self {
            Self::List(List { tier: only, json }) => {
                let listed = all.iter().filter(|price| only.as_ref().is_none_or(|only| price.tier == *only));
                if json {
                    return say_json(&listed.map(as_json).collect::<Vec<_>>());
                }
                for TierPrice { provider, price_id, tier, interval } in listed {
                    say(&format!("{tier}\t{provider}\t{}\t{price_id}", interval.as_str()))?;
                }
                Ok(())
            }
            Self::Set(Set { tier, provider, price, interval }) => {
                let is_it = |one: &TierPrice| one.provider == provider && one.price_id == price;
                if all.iter().any(|one| is_it(one) && one.tier == tier && one.interval == interval) {
                    return say(&format!("{price} buys {tier} by the {} already", interval.as_str()));
                }
                let mut kept: Vec<_> =
                    all.iter().filter(|one| one.tier == tier && !is_it(one)).cloned().map(as_new).collect();
                kept.push(NewPrice { provider, price_id: price.clone(), interval });
                prices::set(env, &tier, &kept, OPERATOR).await?;
                say(&format!("{price} buys {tier} by the {}", interval.as_str()))
            }
            Self::Remove(Remove { provider, price }) => {
                let is_it = |one: &TierPrice| one.provider == provider && one.price_id == price;
                let Some(TierPrice { tier, .. }) = all.iter().find(|one| is_it(one)) else {
                    return say(&format!("{price} buys nothing already"));
                };
                let kept: Vec<_> =
                    all.iter().filter(|one| one.tier == *tier && !is_it(one)).cloned().map(as_new).collect();
                prices::set(env, tier, &kept, OPERATOR).await?;
                say(&format!("{price} buys nothing any more; it was {tier}"))
            }
        }
    }
}

fn as_json(price: &TierPrice) -> Value {
    let TierPrice { provider, price_id, tier, interval } = price;
    json!({ "tier": tier, "provider": provider, "interval": interval, "price_id": price_id })
}

fn as_new(TierPrice { provider, price_id, interval, .. }: TierPrice) -> NewPrice {
    NewPrice { provider, price_id, interval }
}
