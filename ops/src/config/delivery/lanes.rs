//! Lanes, and other ways: what of `delivery.toml` names things that must be there.

use std::time::Duration;

use amtsbote_domain::delivery::alternative::{Alternative, Alternatives, When};
use amtsbote_domain::delivery::lane::{LaneName, Lanes};
use amtsbote_domain::directory::Channel;
use toml::Spanned;

use crate::config::raw::{RawAlternative, RawLane};
use crate::config::table::{Source, nearest};
use crate::outcome::Failure;

/// What rules may name.
pub(super) struct Known<'k> {
    /// Names of hubs, as `amtsbote.toml` has them.
    pub(super) peers: &'k [&'k str],
    /// The lanes in force.
    pub(super) lanes: &'k Lanes,
}

/// The lanes of the file; those of the program where it names none.
pub(super) fn lanes(source: &Source, raw: &[Spanned<RawLane>]) -> Result<Lanes, Failure> {
    let Some(last) = raw.last() else { return Ok(Lanes::default()) };
    let named = raw.iter().map(|raw| {
        let RawLane { name: written, weight } = raw.get_ref();
        let name = name(source, written)?;
        Ok((name, *weight))
    });
    let named = named.collect::<Result<Vec<_>, Failure>>()?;
    Lanes::new(named).map_err(|error| source.wrong(&last.span(), error, error))
}

fn name(source: &Source, written: &Spanned<String>) -> Result<LaneName, Failure> {
    LaneName::parse(written.get_ref()).map_err(|error| source.wrong(&written.span(), error, error))
}

/// The lane that a rule names; it must be one.
pub(super) fn lane(
    source: &Source,
    written: &Spanned<String>,
    known: &Known<'_>,
) -> Result<LaneName, Failure> {
    let lane = name(source, written)?;
    if known.lanes.iter().any(|(own, _)| *own == lane) {
        return Ok(lane);
    }
    let names: Vec<&str> = known.lanes.iter().map(|(own, _)| own.as_str()).collect();
    let all = names.join(", ");
    Err(source.wrong(
        &written.span(),
        format!("keine Spur heißt \"{lane}\"; es gibt {all}"),
        format!("there is no lane \"{lane}\"; there are {all}"),
    ))
}

/// The other ways of a rule, in their order.
pub(super) fn alternatives(
    source: &Source,
    raw: &[Spanned<RawAlternative>],
    known: &Known<'_>,
) -> Result<Alternatives, Failure> {
    let ways = raw.iter().map(|raw| alternative(source, raw, known));
    let ways = ways.collect::<Result<Vec<_>, _>>()?;
    let span = raw.last().map_or(0..0, Spanned::span);
    Alternatives::new(ways).map_err(|error| source.wrong(&span, error, error))
}

fn alternative(
    source: &Source,
    raw: &Spanned<RawAlternative>,
    known: &Known<'_>,
) -> Result<Alternative, Failure> {
    let RawAlternative { via, out_longer_s, failed_more, maintenance_over_end } = raw.get_ref();
    let written = via.get_ref();
    let channel = Channel::parse(written).ok_or_else(|| {
        source.wrong(
            &via.span(),
            "via ist \"inbox\" oder \"peer:NAME\"",
            "via is \"inbox\" or \"peer:NAME\"",
        )
    })?;
    if let Channel::Peer(peer) = &channel
        && !known.peers.contains(&peer.as_str())
    {
        let near = nearest(peer, known.peers.iter().copied());
        let hint = |de| match (near, de) {
            (Some(near), true) => format!("; gemeint ist vielleicht \"peer:{near}\""),
            (Some(near), false) => format!("; did you mean \"peer:{near}\"?"),
            (None, _) => String::new(),
        };
        return Err(source.wrong(
            &via.span(),
            format!("kein [[peer]] in amtsbote.toml heißt \"{peer}\"{}", hint(true)),
            format!("there is no [[peer]] \"{peer}\" in amtsbote.toml{}", hint(false)),
        ));
    }
    let when = When {
        open_longer: out_longer_s.map(Duration::from_secs),
        failed_more: *failed_more,
        maintenance_over_end: *maintenance_over_end,
    };
    Ok(Alternative { channel, when })
}
