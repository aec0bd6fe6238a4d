/** Two ends of a session with planted keys, on firmware and host, and where the firmware stands in a handshake. */

import { expect } from "vitest";
import { hostNoiseCrypto, NoiseError, Session } from "../../host/codec/noise.js";
import { KeyKind } from "../../simulator/platform.generated.js";
import { type NoiseModule, SESSION_NONE, type SessionHandle } from "./noise-module.js";

export const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);
export const key = (fill: number): Uint8Array => new Uint8Array(32).fill(fill);

export const STATIC_A = 0;
export const STATIC_B = 1;
export const EPHEMERAL_A = 16;
export const EPHEMERAL_B = 17;
export const PROLOGUE = bytesOf("prologue of the test");
export const PRIVATE_A = key(0xa1);
export const PRIVATE_B = key(0xb2);
export const EPHEMERAL_PRIVATE_A = key(0xc3);
export const EPHEMERAL_PRIVATE_B = key(0xd4);

export function hostSession(initiator: boolean, crypto = hostNoiseCrypto): Session {
  return new Session({
    initiator,
    prologue: PROLOGUE,
    staticPrivate: initiator ? PRIVATE_A : PRIVATE_B,
    random: () => (initiator ? EPHEMERAL_PRIVATE_A : EPHEMERAL_PRIVATE_B),
    crypto,
  });
}

/** A session of the firmware with the keys of one end planted. */
export function firmwareSession(
  module: NoiseModule,
  initiator: boolean,
  index = initiator ? 0 : 1,
  prologue = PROLOGUE,
): SessionHandle {
  const staticSlot = initiator ? STATIC_A : STATIC_B;
  module.plant(staticSlot, initiator ? PRIVATE_A : PRIVATE_B);
  module.nextPrivate(initiator ? EPHEMERAL_PRIVATE_A : EPHEMERAL_PRIVATE_B);
  const session = module.session(index);
  expect(session.begin(initiator, prologue, staticSlot, initiator ? EPHEMERAL_A : EPHEMERAL_B)).toBe(0);
  return session;
}

export interface End {
  write(payload: Uint8Array): Uint8Array;
  read(message: Uint8Array): Uint8Array;
}

export function handshake(
  initiator: End,
  responder: End,
  payloads: readonly Uint8Array[] = [key(1), key(2), key(3)],
): void {
  payloads.slice(0, 3).forEach((payload, step) => {
    const [writer, reader] = step % 2 === 0 ? [initiator, responder] : [responder, initiator];
    expect(reader.read(writer.write(payload))).toEqual(payload);
  });
}

export function reasonOf(work: () => unknown): number {
  try {
    work();
  } catch (error) {
    if (error instanceof NoiseError) return error.reason;
    throw error;
  }
  return 0;
}

/** The three messages of one handshake, and the firmware at the point where it awaits message `step`. */
export function awaiting(
  module: NoiseModule,
  step: number,
): { firmware: SessionHandle; message: Uint8Array; host: Session } {
  const firmware = firmwareSession(module, step === 1, 0);
  const host = hostSession(step !== 1);
  if (step === 0) return { firmware, message: host.write(key(1)), host };
  if (step === 1) {
    host.read(firmware.write(key(1)));
    return { firmware, message: host.write(key(2)), host };
  }
  firmware.read(host.write(key(1)));
  host.read(firmware.write(key(2)));
  return { firmware, message: host.write(key(3)), host };
}

export function expectEnded(module: NoiseModule, session: SessionHandle): void {
  expect(session.state()).toBe(SESSION_NONE);
  expect(session.image().every((byte) => byte === 0)).toBe(true);
  expect([module.kindOf(EPHEMERAL_A), module.kindOf(EPHEMERAL_B)]).toEqual([KeyKind.Empty, KeyKind.Empty]);
}
