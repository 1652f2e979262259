import { HmsError } from "@hms/topology";
import type { CoreRegistry, Handle, Handlers } from "@hms/uabi";
import { CAPACITY_DEFAULT, LIMIT_DEFAULT, Subscription } from "./journal.ts";
import type { Kernel } from "./kernel.ts";

type EventsHandlers = NonNullable<Handlers<CoreRegistry>["events"]>;

export function eventsHandlers(kernel: Kernel): EventsHandlers {
  const get = (handle: Handle<"events">): Subscription => kernel.handles.get("events", handle);
  const end = (subscription: Subscription): void => {
    kernel.journal.remove(subscription);
    subscription.end(over());
    kernel.disown(subscription.handle);
    kernel.handles.delete("events", subscription.handle);
  };
  return {
    subscribe({ mask, capacity }, call) {
      // The handle is known only when it is given out.
      const made = new Subscription(mask, capacity ?? CAPACITY_DEFAULT);
      made.handle = kernel.handles.add("events", made);
      kernel.journal.add(made);
      kernel.own(call.peer, made.handle, () => end(made));
      return { events: made.handle };
    },

    read({ events, limit, wait }, call) {
      const subscription = get(events);
      const most = limit ?? LIMIT_DEFAULT;
      if (wait !== true || !subscription.empty) return subscription.read(most);
      const later = call.later();
      subscription.wait(later, most, over);
      return later;
    },

    unsubscribe({ events }) {
      end(get(events));
    },
  };
}

function over(): HmsError {
  return new HmsError("EVENTS_ENDED", "ECANCELED", "Reading events failed: the subscription has ended.");
}
