import { ed25519Verify, slotErase, slotGenerate, slotPublic } from "../../firmware/platform/imports";

export { cosePayload, cosePayloadLength, coseSign, coseVerify } from "../../firmware/lib/cose";
export { pointIsAcceptable, scalarIsReduced, signatureVerify } from "../../firmware/lib/ed25519";

/** Makes an Ed25519 key in a slot and writes its public key. */
export function makeKey(slot: u32, publicKey: usize): i32 {
  const status = slotGenerate(slot, 1);
  return status < 0 ? status : slotPublic(slot, publicKey, 32);
}

export function eraseKey(slot: u32): i32 {
  return slotErase(slot);
}

/** The platform's verdict without the firmware's checks in front of it. */
export function platformVerify(publicKey: usize, message: usize, messageLength: u32, signature: usize): i32 {
  return ed25519Verify(publicKey, 32, message, messageLength, signature, 64);
}
