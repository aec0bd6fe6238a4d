import type { Check } from "./host-support.js";
export const checks: readonly Check[] = [];
