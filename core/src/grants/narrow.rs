//! A request may narrow the grants of its profile, and never widen them.

use super::{Grants, Group};

/// What a request asked for beyond its profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wider {
    /// The grant, like `video.canPublish`.
    pub grant: String,
    /// What would be allowed.
    pub allowed: String,
}

impl Grants {
    /// The profile's grants with the request's restrictions. Rooms are judged elsewhere: the request's stands.
    ///
    /// # Errors
    /// The first grant that reaches further than the profile's; LiveKit's defaults count where it is unset.
    pub fn narrow(profile: &Grants, request: &Grants) -> Result<Grants, Wider> {
        let mut narrowed = Grants {
            video: group(&profile.video, &request.video)?,
            sip: group(&profile.sip, &request.sip)?,
            agent: group(&profile.agent, &request.agent)?,
            agent_endpoint: group(&profile.agent_endpoint, &request.agent_endpoint)?,
            agent_thread: group(&profile.agent_thread, &request.agent_thread)?,
            inference: group(&profile.inference, &request.inference)?,
            observability: group(&profile.observability, &request.observability)?,
        };
        let sources = profile.video.can_publish_sources.as_deref().unwrap_or_default();
        narrowed.video.can_publish_sources = list(
            "video.canPublishSources",
            sources,
            request.video.can_publish_sources.as_deref(),
            sources.is_empty(),
        )?;
        // No thread and no scope in a profile means none, unless it has all of them.
        let every_thread = profile.agent_thread.all == Some(true);
        let ids = Some(request.agent_thread.thread_ids.as_slice()).filter(|ids| !ids.is_empty());
        let ids = list("agentThread.threadIds", &profile.agent_thread.thread_ids, ids, every_thread)?;
        narrowed.agent_thread.thread_ids = ids.unwrap_or_default();
        let endpoint = &profile.agent_endpoint;
        for (name, narrowed, profile, request, any) in [
            (
                "video.destinationRoom",
                &mut narrowed.video.destination_room,
                &profile.video.destination_room,
                &request.video.destination_room,
                // Forwarding to another room is a right of its own: no room in the profile means none.
                false,
            ),
            (
                "agentEndpoint.agentName",
                &mut narrowed.agent_endpoint.agent_name,
                &endpoint.agent_name,
                &request.agent_endpoint.agent_name,
                endpoint.agent_name.is_empty(),
            ),
            (
                "agentEndpoint.deployment",
                &mut narrowed.agent_endpoint.deployment,
                &endpoint.deployment,
                &request.agent_endpoint.deployment,
                endpoint.deployment.is_empty(),
            ),
            (
                "agentThread.scope",
                &mut narrowed.agent_thread.scope,
                &profile.agent_thread.scope,
                &request.agent_thread.scope,
                every_thread,
            ),
        ] {
            *narrowed = text(name, profile, request, any)?;
        }
        narrowed.video.room = request.video.room.clone();
        Ok(narrowed)
    }
}

/// The flags of one group; everything else is left at its default.
fn group<G: Group>(profile: &G, request: &G) -> Result<G, Wider> {
    let mut narrowed = G::default();
    let (allowed, asked) = (profile.flags(), request.flags());
    let both = allowed.as_ref().iter().zip(asked.as_ref());
    for ((allowed, asked), place) in both.zip(narrowed.places().as_mut()) {
        if asked.value == Some(true) && !allowed.value.unwrap_or(allowed.default) {
            return Err(Wider {
                grant: format!("{}.{}", G::NAME, asked.name),
                allowed: "the profile does not have it".to_owned(),
            });
        }
        **place = asked.value.or(allowed.value);
    }
    Ok(narrowed)
}

/// `any`: the profile allows everything, whatever its list says.
fn list<T: Clone + PartialEq + std::fmt::Display>(
    grant: &str,
    profile: &[T],
    request: Option<&[T]>,
    any: bool,
) -> Result<Option<Vec<T>>, Wider> {
    let Some(request) = request else {
        return Ok((!profile.is_empty()).then(|| profile.to_vec()));
    };
    let within = !request.is_empty() && request.iter().all(|item| profile.contains(item));
    if any || within {
        return Ok(Some(request.to_vec()));
    }
    let allowed = if profile.is_empty() {
        "the profile has none".to_owned()
    } else {
        let names: Vec<_> = profile.iter().map(T::to_string).collect();
        format!("the profile has {}", names.join(", "))
    };
    Err(Wider { grant: grant.to_owned(), allowed })
}

/// As [`list`].
fn text(grant: &str, profile: &str, request: &str, any: bool) -> Result<String, Wider> {
    if request.is_empty() {
        return Ok(profile.to_owned());
    }
    if any || request == profile {
        return Ok(request.to_owned());
    }
    let allowed = if profile.is_empty() {
        "the profile has none".to_owned()
    } else {
        format!("the profile has `{profile}`")
    };
    Err(Wider { grant: grant.to_owned(), allowed })
}
