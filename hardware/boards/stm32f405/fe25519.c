/*
 * Products modulo 2^255 - 19 for cores with the multiplications of ARMv7E-M, which take the same time whatever the numbers are.
 *
 * Elements are libsodium's: ten signed limbs, the limb i worth 2^ceil(25.5 i), so of 26 and 25 bits by turns. Limb k of a product is
 * the sum over i of
 *
 *   f[i] * g[k - i]             where k >= i,
 *   f[i] * 19 * g[k - i + 10]   otherwise,
 *
 * twice that where both limbs are odd ones (so where k is even and i odd). The second factors of one k lie in a row in
 * G = 19 g[1], ..., 19 g[9], g[0], ..., g[9], and those of the next k one further: five of them are in registers, and each step loads one.
 * The sums over i < 5 come first and wait on the stack, for all of f does not fit in registers; then the others, and the carry from limb
 * to limb. No branch and no address depends on a secret.
 *
 *   stack: sums (10 x 8), later limbs (10 x 4) in their place | G (19 x 4) | 2 f[5], 2 f[7], 2 f[9] | h, f, registers of the caller
 */
__asm__(
    ".syntax unified\n"
    ".thumb\n"

    ".equ SUMS, 0\n"
    ".equ G, 80\n"
    ".equ DOUBLES, G + 4 * 19\n"
    ".equ FRAME, DOUBLES + 4 * 3\n"
    ".equ H, FRAME\n"
    ".equ F, FRAME + 4\n"

    /* f[0] to f[4] are in r3 to r7, the odd ones or their doubles are named. w0 to w4 are the row of G, its last for f[0]. */
    ".macro lower_sum k, w0, w1, w2, w3, w4, f1, f3\n"
    "  smull r1, r2, r7, \\w0\n"
    "  smlal r1, r2, \\f3, \\w1\n"
    "  smlal r1, r2, r5, \\w2\n"
    "  smlal r1, r2, \\f1, \\w3\n"
    "  smlal r1, r2, r3, \\w4\n"
    "  strd r1, r2, [sp, #SUMS + 8 * \\k]\n"
    "  .if \\k < 9\n"
    "  ldr \\w0, [sp, #G + 4 * (\\k + 10)]\n"
    "  .endif\n"
    ".endm\n"

    /* f[5] to f[9] are in r3 to r7; r1 and r2 have the carry of the limb before, and of this one afterwards. */
    ".macro upper_sum k, w0, w1, w2, w3, w4\n"
    "  .if \\k == 0\n"
    "  ldrd r1, r2, [sp, #SUMS]\n"
    "  .else\n"
    "  ldrd r8, r9, [sp, #SUMS + 8 * \\k]\n"
    "  adds r1, r1, r8\n"
    "  adc r2, r2, r9\n"
    "  .endif\n"
    "  .if \\k % 2 == 0\n"
    "  ldrd r8, r9, [sp, #DOUBLES]\n"
    "  smlal r1, r2, r8, \\w4\n"
    "  smlal r1, r2, r9, \\w2\n"
    "  ldr r8, [sp, #DOUBLES + 8]\n"
    "  smlal r1, r2, r8, \\w0\n"
    "  .else\n"
    "  smlal r1, r2, r3, \\w4\n"
    "  smlal r1, r2, r5, \\w2\n"
    "  smlal r1, r2, r7, \\w0\n"
    "  .endif\n"
    "  smlal r1, r2, r4, \\w3\n"
    "  smlal r1, r2, r6, \\w1\n"
    "  .if \\k < 9\n"
    "  ldr \\w0, [sp, #G + 4 * (\\k + 5)]\n"
    "  .endif\n"
    "  carry r1, r2, r8, 26 - \\k % 2\n"
    "  str r8, [sp, #4 * \\k]\n"
    ".endm\n"

    /* The lowest bits, as a number of either sign, become the limb; low and high what is left, rounded. */
    ".macro carry low, high, limb, bits\n"
    "  sbfx \\limb, \\low, #0, #\\bits\n"
    "  adds \\low, \\low, #1 << (\\bits - 1)\n"
    "  adc \\high, \\high, #0\n"
    "  lsr \\low, \\low, #\\bits\n"
    "  orr \\low, \\low, \\high, lsl #32 - (\\bits)\n"
    "  asr \\high, \\high, #\\bits\n"
    ".endm\n"

    ".section .text.fe25519_mul, \"ax\", %progbits\n"
    ".align 2\n"
    ".global fe25519_mul\n"
    ".type fe25519_mul, %function\n"
    ".thumb_func\n"
    "fe25519_mul:\n"
    "  push {r0, r1, r4-r11, lr}\n"
    "  sub sp, sp, #FRAME\n"

    "  ldm r2, {r3-r12}\n"
    "  add r0, sp, #G + 4 * 9\n"
    "  stm r0, {r3-r12}\n"
    "  mov lr, #19\n"
    "  mul r4, r4, lr\n"
    "  mul r5, r5, lr\n"
    "  mul r6, r6, lr\n"
    "  mul r7, r7, lr\n"
    "  mul r8, r8, lr\n"
    "  mul r9, r9, lr\n"
    "  mul r10, r10, lr\n"
    "  mul r11, r11, lr\n"
    "  mul r12, r12, lr\n"
    "  add r0, sp, #G\n"
    "  stm r0, {r4-r12}\n"

    "  ldm r1, {r3-r7}\n"
    "  lsl r8, r4, #1\n"
    "  lsl r9, r6, #1\n"
    "  add lr, sp, #G + 4 * 5\n"
    "  ldm lr, {r0, r10-r12, lr}\n"
    "  lower_sum 0, r0, r10, r11, r12, lr, r8, r9\n"
    "  lower_sum 1, r10, r11, r12, lr, r0, r4, r6\n"
    "  lower_sum 2, r11, r12, lr, r0, r10, r8, r9\n"
    "  lower_sum 3, r12, lr, r0, r10, r11, r4, r6\n"
    "  lower_sum 4, lr, r0, r10, r11, r12, r8, r9\n"
    "  lower_sum 5, r0, r10, r11, r12, lr, r4, r6\n"
    "  lower_sum 6, r10, r11, r12, lr, r0, r8, r9\n"
    "  lower_sum 7, r11, r12, lr, r0, r10, r4, r6\n"
    "  lower_sum 8, r12, lr, r0, r10, r11, r8, r9\n"
    "  lower_sum 9, lr, r0, r10, r11, r12, r4, r6\n"

    "  ldr r1, [sp, #F]\n"
    "  add r1, r1, #4 * 5\n"
    "  ldm r1, {r3-r7}\n"
    "  lsl r8, r3, #1\n"
    "  lsl r9, r5, #1\n"
    "  strd r8, r9, [sp, #DOUBLES]\n"
    "  lsl r8, r7, #1\n"
    "  str r8, [sp, #DOUBLES + 8]\n"
    "  add lr, sp, #G\n"
    "  ldm lr, {r0, r10-r12, lr}\n"
    "  upper_sum 0, r0, r10, r11, r12, lr\n"
    "  upper_sum 1, r10, r11, r12, lr, r0\n"
    "  upper_sum 2, r11, r12, lr, r0, r10\n"
    "  upper_sum 3, r12, lr, r0, r10, r11\n"
    "  upper_sum 4, lr, r0, r10, r11, r12\n"
    "  upper_sum 5, r0, r10, r11, r12, lr\n"
    "  upper_sum 6, r10, r11, r12, lr, r0\n"
    "  upper_sum 7, r11, r12, lr, r0, r10\n"
    "  upper_sum 8, r12, lr, r0, r10, r11\n"
    "  upper_sum 9, lr, r0, r10, r11, r12\n"

    /* What is carried out of the last limb is worth 19 times as much in the first. */
    "  mov lr, #19\n"
    "  umull r0, r3, r1, lr\n"
    "  mla r1, r2, lr, r3\n"
    "  ldr lr, [sp, #H]\n"
    "  ldm sp, {r2-r11}\n"
    "  adds r0, r0, r2\n"
    "  adc r1, r1, r2, asr #31\n"
    "  carry r0, r1, r2, 26\n"
    "  add r3, r3, r0\n"
    "  stm lr, {r2-r11}\n"

    "  add sp, sp, #FRAME + 8\n"
    "  pop {r4-r11, pc}\n"
    ".size fe25519_mul, . - fe25519_mul\n"
    ".text\n");
