//! What is desired is recorded before it is made, but for a new image: see
//! [`ImageRecorded`](crate::steps::deploy).

use crate::{
    component::Component,
    error::Result,
    host::{Host, files},
    names::ImageRef,
    plan::{Change, State, Step, StepId},
    state::{Spec, Status, plugin_version},
    steps::deploy::ImageRecorded,
};
use std::sync::Arc;

/// What is desired is recorded.
#[derive(Debug)]
pub struct RecordSpec {
    spec: Arc<Spec>,
    failed_image: Option<ImageRef>,
    needs: Vec<StepId>,
}

impl RecordSpec {
    /// Before anything else is touched. `failed_image` is recorded as the image that did not become
    /// ready, until it does.
    pub fn first(spec: Spec, failed_image: Option<ImageRef>) -> Self {
        Self { spec: Arc::new(spec), failed_image, needs: vec![] }
    }

    /// The same after a step that must not have failed.
    #[must_use]
    pub(in crate::steps) fn after(self, step: StepId) -> Self {
        Self { needs: vec![step], ..self }
    }

    /// The step that records the images of what is desired at the end, if they differ from these.
    pub(in crate::steps) fn at_the_end(&self, component: &Arc<Component>) -> Option<ImageRecorded> {
        let differ = self.spec.with_images_of(&component.spec) != *self.spec;
        differ.then(|| ImageRecorded::new(component, self.failed_image.as_ref()))
    }
}

impl Step for RecordSpec {
    fn id(&self) -> StepId {
        ("server", "spec")
    }

    fn needs(&self) -> Vec<StepId> {
        self.needs.clone()
    }

    fn title(&self) -> String {
        format!("Recording homeserver {}", self.spec.server_name)
    }

    fn check(&self, host: &Host) -> Result<State> {
        let (env, name) = (host.env(), &self.spec.server_name);
        let paths = self.spec.paths(env);
        let mut changes = vec![];
        let root = paths.root();
        if files::stat(&root)?.is_none() {
            let description = format!("create the directory {root}");
            changes.push(Change::new(description, move |host| {
                files::make_directory(host, &root, 0o700)
            }));
        }
        let recorded = Spec::read(env, name)?;
        let wanted = (*self.spec).clone();
        let status = Status::read(env, name)?;
        if status.failed_image != self.failed_image {
            let (name, image) = (name.clone(), self.failed_image.clone());
            let description = format!("write {}", paths.status());
            changes.push(Change::new(description, move |host| {
                Status::update(host, &name, |status| status.failed_image = image)
            }));
        }
        let outdated = Spec::is_outdated(env, name)?;
        let is_new = recorded.is_none();
        if recorded.as_ref() != Some(&wanted) || outdated {
            let mut description = format!("write {}", paths.spec());
            if outdated {
                description += ", in the format of this version";
            }
            let name = name.clone();
            changes.push(Change::new(description, move |host| {
                wanted.write(host)?;
                // A new homeserver is of this version from the start.
                if is_new {
                    Status::update(host, &name, |status| status.plugin = Some(plugin_version()))?;
                }
                Ok(())
            }));
        }
        Ok(State::of(changes))
    }
}
