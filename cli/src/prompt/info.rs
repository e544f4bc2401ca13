//! What a node is and has counted, for people and for programs.

use bulla::NodeInfo;
use bulla::node::{FamilyStats, Status};
use serde_json::{Value as Json, json};

use crate::text::list;

/// Returns the figures as an object.
pub(super) fn object(info: &NodeInfo) -> Json {
    let stats = &info.stats;
    json!({
        "event": "info",
        "node_id": info.id.to_string(),
        "identity": info.identity.map(|id| id.to_string()),
        "addresses": texts(&info.addresses),
        "public_addresses": texts(&info.public_addresses),
        "ipv4": family_object(&stats.families.v4),
        "ipv6": family_object(&stats.families.v6),
        "storage": {
            "keys": stats.storage.keys,
            "values": stats.storage.values,
            "own_bytes": stats.storage.own_bytes,
            "others_bytes": stats.storage.others_bytes,
        },
        "listeners": stats.listeners,
        "searches": stats.lookups,
        "operations": stats.operations,
        "overdue_announcements": stats.overdue_announcements,
        "pending_requests": stats.pending_requests,
        "refused_puts": stats.refused_puts,
        "dropped_values": info.secure.dropped_values,
        "traffic": {
            "received": stats.traffic.received,
            "sent": stats.traffic.sent,
            "dropped_source": stats.traffic.dropped_source,
            "dropped_malformed": stats.traffic.dropped_malformed,
            "dropped_network": stats.traffic.dropped_network,
            "dropped_rate": stats.traffic.dropped_rate,
            "dropped_unexpected": stats.traffic.dropped_unexpected,
        },
    })
}

/// Returns the figures as a few lines.
pub(super) fn text(info: &NodeInfo) -> String {
    let stats = &info.stats;
    let (storage, traffic) = (&stats.storage, &stats.traffic);
    let dropped = traffic.dropped_source
        + traffic.dropped_malformed
        + traffic.dropped_network
        + traffic.dropped_rate
        + traffic.dropped_unexpected;
    let identity = info.identity.map_or("none".to_owned(), |id| id.to_string());
    [
        format!("node      {}", info.id),
        format!("identity  {identity}"),
        format!("bound to  {}", list(&info.addresses)),
        format!("seen at   {}", list(&info.public_addresses)),
        format!("IPv4      {}", family_text(&stats.families.v4)),
        format!("IPv6      {}", family_text(&stats.families.v6)),
        format!(
            "storage   {} values under {} keys, {} bytes of ours, {} bytes of others, {} puts refused",
            storage.values, storage.keys, storage.own_bytes, storage.others_bytes, stats.refused_puts
        ),
        format!(
            "work      {} operations, {} searches, {} requests under way, {} listeners, {} permanent puts overdue",
            stats.operations,
            stats.lookups,
            stats.pending_requests,
            stats.listeners,
            stats.overdue_announcements
        ),
        format!(
            "traffic   {} datagrams received, {} sent, {dropped} dropped",
            traffic.received, traffic.sent
        ),
    ]
    .join("\n")
}

fn family_object(family: &FamilyStats) -> Json {
    json!({
        "status": status(family.status),
        "good": family.contacts.good,
        "dubious": family.contacts.dubious,
        "cached": family.contacts.cached,
        "incoming": family.contacts.incoming,
        "crowded_out": family.crowded_out,
        "table_depth": family.table_depth,
        "network_size_estimation": family.network_size_estimate,
        "network_size_error_percent": family.network_size_error_percent,
        "dense_lookups": family.dense_lookups,
    })
}

fn family_text(family: &FamilyStats) -> String {
    let contacts = &family.contacts;
    format!(
        "{}: {} good nodes, {} dubious, {} in waiting; the network has about {}",
        status(family.status),
        contacts.good,
        contacts.dubious,
        contacts.cached,
        family.network_size_estimate
    )
}

fn status(status: Status) -> &'static str {
    match status {
        Status::Disconnected => "disconnected",
        Status::Connecting => "connecting",
        Status::Connected => "connected",
    }
}

fn texts<T: ToString>(items: &[T]) -> Vec<String> {
    items.iter().map(ToString::to_string).collect()
}
