//! A new image is recorded only when the component that runs it is ready. Until then the record
//! names the one before, and the new one as failed.

use crate::{
    component::Component,
    error::Result,
    host::Host,
    names::ImageRef,
    plan::{Change, State, Step, StepId},
    state::{Spec, Status},
};
use std::sync::Arc;

/// The desired images are recorded.
#[derive(Debug)]
pub(in crate::steps) struct ImageRecorded {
    component: Arc<Component>,
    failed_image: Option<ImageRef>,
}

impl ImageRecorded {
    /// After the deploy of a component. `failed_image` is what is recorded as failed meanwhile.
    pub(in crate::steps) fn new(
        component: &Arc<Component>,
        failed_image: Option<&ImageRef>,
    ) -> Self {
        // The failed image of another component stays recorded.
        let failed_image = failed_image.filter(|image| **image != component.image).cloned();
        Self { component: component.clone(), failed_image }
    }
}

impl Step for ImageRecorded {
    fn id(&self) -> StepId {
        self.component.step("image-recorded")
    }

    fn needs(&self) -> Vec<StepId> {
        vec![self.component.step("deployed"), self.component.step("ready")]
    }

    fn title(&self) -> String {
        format!("Recording homeserver {}", self.component.spec.server_name)
    }

    fn check(&self, host: &Host) -> Result<State> {
        let spec = &self.component.spec;
        let (env, name) = (host.env(), spec.server_name.clone());
        // Only the images: other steps may have recorded the rest meanwhile.
        let recorded = Spec::load(env, &name)?;
        let wanted = recorded.with_images_of(spec);
        let mut changes = vec![];
        if wanted != recorded {
            let description = format!("write {}", spec.paths(env).spec());
            changes.push(Change::new(description, move |host| wanted.write(host)));
        }
        if Status::read(env, &name)?.failed_image != self.failed_image {
            let image = self.failed_image.clone();
            let description = format!("write {}", spec.paths(env).status());
            changes.push(Change::new(description, move |host| {
                Status::update(host, &name, |status| status.failed_image = image)
            }));
        }
        Ok(State::of(changes))
    }
}
