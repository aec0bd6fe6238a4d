#include "heap.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "platform/bytes.h"

/* Before each block: its size, aligned as malloc aligns. */
union head {
  size_t size;
  max_align_t alignment;
};

/* No applet needs as much; adding to it does not wrap around. */
#define BLOCK_BYTES_MAX (1U << 24)

void *heap_take(unsigned int size) {
  if (size > BLOCK_BYTES_MAX) return NULL;
  union head *head = malloc(sizeof *head + size);
  if (head == NULL) return NULL;
  head->size = size;
  return head + 1;
}

void heap_give_back(void *block) {
  if (block == NULL) return;
  union head *head = (union head *)block - 1;
  bytes_wipe(block, head->size);
  free(head);
}

void *heap_resize(void *block, unsigned int size) {
  void *larger = heap_take(size);
  if (larger == NULL || block == NULL) return larger;
  size_t before = ((union head *)block - 1)->size;
  memcpy(larger, block, before < size ? before : size);
  heap_give_back(block);
  return larger;
}
