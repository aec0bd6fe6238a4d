import {
  Certificate,
  certificateRead,
  certificateVerify,
  chainVerify,
  issuerVerify,
} from "../../firmware/lib/certificate";

export { isDeviceRole, verifications } from "../../firmware/lib/certificate";

const certificate = changetype<Certificate>(memory.data(offsetof<Certificate>(), 8));

export function read(bytes: usize, length: u32): i32 {
  return certificateRead(bytes, length, certificate);
}

export function verifyChain(chain: usize, length: u32, rootId: usize, rootKey: usize, tree: i32, now: u64): i32 {
  return chainVerify(chain, length, rootId, rootKey, tree, now, certificate);
}

export function verifyDevice(
  device: usize,
  deviceLength: u32,
  server: usize,
  serverLength: u32,
  rootId: usize,
  rootKey: usize,
  tree: i32,
  now: u64,
): i32 {
  return certificateVerify(device, deviceLength, server, serverLength, rootId, rootKey, tree, now, certificate);
}

export function verifyIssuer(server: usize, length: u32, rootId: usize, rootKey: usize, tree: i32, now: u64): i32 {
  return issuerVerify(server, length, rootId, rootKey, tree, now, certificate);
}

// What the certificate read last says.
export function idAddress(): usize {
  return certificate.id;
}
export function issuerAddress(): usize {
  return certificate.issuer;
}
export function signatureKeyAddress(): usize {
  return certificate.signatureKey;
}
export function agreementKeyAddress(): usize {
  return certificate.agreementKey;
}
export function nameAddress(): usize {
  return certificate.name;
}
export function nameLength(): u32 {
  return certificate.nameLength;
}
export function role(): i32 {
  return certificate.role;
}
export function notBefore(): u64 {
  return certificate.notBefore;
}
export function expiry(): u64 {
  return certificate.expiry;
}
export function certificateAddress(): usize {
  return changetype<usize>(certificate);
}
export function certificateBytes(): u32 {
  return offsetof<Certificate>();
}
