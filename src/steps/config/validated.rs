//! Synapse accepts these very files with the very image that is to run, before a running server is
//! touched.

use crate::{
    component::{self, Component},
    dokku::docker,
    error::{Error, Result},
    host::{Host, owner::Owner},
    names::ImageRef,
    plan::{State, Step, StepId},
    state::{Spec, Status},
    synapse::validate,
};
use std::sync::Arc;

/// The configuration is valid.
#[derive(Debug)]
pub(super) struct Validated(pub(super) Arc<Component>);

impl Step for Validated {
    fn id(&self) -> StepId {
        self.0.step("validated")
    }

    fn needs(&self) -> Vec<StepId> {
        vec![self.0.step("config"), self.0.step("image")]
    }

    fn title(&self) -> String {
        format!("Validating the configuration with {}", self.0.image)
    }

    fn check(&self, host: &Host) -> Result<State> {
        let (spec, image) = (self.0.spec.clone(), self.0.image.clone());
        Ok(match is_validated(&spec, host, &image)? {
            None => State::NotYet(self.0.step("image")),
            Some(true) => State::Satisfied,
            Some(false) => State::missing("have Synapse read its configuration", move |host| {
                validate_now(&spec, host, &image)
            }),
        })
    }
}

/// Whether Synapse has accepted these very files with what is in that image; `None` if the image is
/// not on this host.
pub fn is_validated(spec: &Spec, host: &Host, image: &ImageRef) -> Result<Option<bool>> {
    let Some(layers) = docker::layers(host, image).option()? else { return Ok(None) };
    let digest = validate::digest(host.env(), spec, &layers)?;
    let status = Status::read(host.env(), &spec.server_name)?;
    // An older version of the plugin recorded no settings.
    let accepted = status.validated.is_some_and(|recorded| recorded == digest);
    Ok(Some(accepted && status.settings.is_some()))
}

/// Has Synapse validate the files with that image, and records what it accepted.
pub fn validate_now(spec: &Spec, host: &Host, image: &ImageRef) -> Result<()> {
    // The digest is taken first: what is changed meanwhile is validated again.
    let layers = docker::layers(host, image)
        .required(|| Error::new(format!("the image {image} is not on this host")))?;
    let digest = validate::digest(host.env(), spec, &layers)?;
    let owner = Owner::of(host.env().dokku_user())?;
    let isolation = &component::synapse::ISOLATION;
    let settings = validate::validate(host, spec, image, owner, isolation)?;
    Status::update(host, &spec.server_name, |status| {
        status.validated = Some(digest);
        status.settings = Some(settings);
    })
}
