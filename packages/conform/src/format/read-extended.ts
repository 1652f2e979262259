import type { Node } from "yaml";
import type { InjectStep, NotificationsStep, Step, StepPlace } from "./case.ts";
import { type Reading, readFields, type Values } from "./fields.ts";
import { toPart } from "./parts.ts";
import type { CaseSource } from "./source.ts";
import { STEPS } from "./vocabulary.ts";

/** The steps that extensions bring, apart from those that hold others. */
export function extendedStep(
  name: "notifications" | "inject" | "reclaim" | "migrate" | "explain",
  node: Node | null,
  place: StepPlace,
  reading: Reading,
): Step {
  const what = `step ${name}`;
  switch (name) {
    case "notifications":
      return notificationsStep(
        readFields(node, what, STEPS.notifications.fields, reading),
        node,
        place,
        reading,
      );
    case "inject":
      return injectStep(readFields(node, what, STEPS.inject.fields, reading), node, place, reading);
    case "reclaim": {
      const values = readFields(node, what, STEPS.reclaim.fields, reading);
      const nonBlocking = values["non-blocking"] ?? false;
      return {
        ...place,
        step: name,
        pages: values.pages,
        nonBlocking,
        expectPages: values.expect?.pages ?? null,
      };
    }
    case "migrate": {
      const values = readFields(node, what, STEPS.migrate.fields, reading);
      const { to, duplicate = false, expect } = values;
      return {
        ...place,
        step: name,
        part: toPart(values),
        to,
        duplicate,
        expectPages: expect?.pages ?? null,
      };
    }
    case "explain": {
      const values = readFields(node, what, STEPS.explain.fields, reading);
      return {
        ...place,
        step: name,
        part: toPart(values),
        where: values.where ?? null,
        from: values.from ?? null,
        cause: values.cause ?? null,
        override: values.override ?? null,
        by: values.by ?? null,
      };
    }
  }
}

function notificationsStep(
  values: Values<typeof STEPS.notifications.fields>,
  node: Node | null,
  place: StepPlace,
  reading: Reading,
): NotificationsStep {
  const source: CaseSource = reading.source;
  const are = (values.are ?? []).map(({ event, region, first, pages, owner }) => {
    if (region === undefined && (first ?? pages) !== undefined) {
      source.fail(node, "step notifications: are: first and pages are of a region, which is not named");
    }
    const part = region === undefined ? null : toPart({ region, first, pages });
    return { event, part, owner: owner ?? null };
  });
  return { ...place, step: "notifications", on: values.on, are };
}

function injectStep(
  { fault, on, times }: Values<typeof STEPS.inject.fields>,
  node: Node | null,
  place: StepPlace,
  reading: Reading,
): InjectStep {
  const source: CaseSource = reading.source;
  const ofHost = fault === "no-memory";
  if (ofHost === (on !== undefined)) {
    source.fail(
      node,
      `step inject: ${fault} is a fault of ${ofHost ? "the host; leave out on" : "a device; say which with on"}`,
    );
  }
  const counted = ofHost || fault === "copy-fails";
  if (times !== undefined && !counted) source.fail(node, `step inject: ${fault} has no times`);
  return { ...place, step: "inject", fault, on: on ?? null, times: times ?? (ofHost ? 1 : 0) };
}
