/** Devices with ping-pong cards: two of them that count to the end over a link. */

import { AID_MONEY_MODULE } from "../../firmware/protocol/apdu.js";
import * as m from "../../firmware/protocol/messages.js";
import { type Disturbance, inProcessLink } from "../../host/communications/in-process.js";
import { Device } from "../../host/device.js";
import { Element } from "../../host/element.js";
import type { CarriedEnvelope } from "../../host/message-manager.js";
import { PingPongCard, START } from "./ping-pong-card.js";
import { VirtualTime } from "./virtual-time.js";

export async function pingPongDevice(
  time: VirtualTime,
  card = new PingPongCard(),
  recorder?: (e: CarriedEnvelope) => void,
) {
  const module = await Element.select(card, AID_MONEY_MODULE);
  const parts = { name: "device", module, clock: time, timers: time };
  return new Device(recorder === undefined ? parts : { ...parts, recorder });
}

/** Two devices count to the end over a link; their notices by name. */
export async function count(
  disturbance: Disturbance | undefined,
  cards = [new PingPongCard(), new PingPongCard()] as const,
) {
  const time = new VirtualTime();
  const [near, far] = inProcessLink(disturbance, time);
  const a = await pingPongDevice(time, cards[0]);
  const b = await pingPongDevice(time, cards[1]);
  const first = a.converse(near, "module", async (conversation) => {
    await conversation.command(START);
    await conversation.expect("done");
    await conversation.quiet();
    return conversation.drain();
  });
  const second = b.converse(far, "module", async (conversation) => {
    await conversation.prepare(Uint8Array.of(m.ADDRESS_HOST, m.KIND_TIMEOUT));
    await conversation.expect("done");
    await first.catch(() => undefined);
    return conversation.drain();
  });
  const [one, two] = await time.run(Promise.allSettled([first, second]));
  return { one, two, cards, dropped: a.manager.dropped + b.manager.dropped };
}
