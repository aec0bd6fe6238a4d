/*
 * What WAMR allocates, wiped before it is given back: its operand stacks hold what applets compute with. Linear memory it maps by
 * itself; applets.c wipes that.
 */
#ifndef TALLYSTICK_WAMR_HEAP_H
#define TALLYSTICK_WAMR_HEAP_H

void *heap_take(unsigned int size);
void *heap_resize(void *block, unsigned int size);
void heap_give_back(void *block);

#endif
