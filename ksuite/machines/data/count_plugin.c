// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * QEMU plugin: counts the guest's instructions by the address of their translation block, between
 * two marks that the guest sets itself (ksuite/dut/marks.py), and writes them to a file at each end:
 * lines of "address instructions", both in hex.
 *
 * Debian ships no qemu-plugin.h; these are the parts of its interface that are used here, of the
 * version that API says: 1 (QEMU 6.0 to 8.2), or 4 (QEMU 10), docs/devel/tcg-plugins.rst.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef uint64_t plugin_id;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
struct qemu_info;

void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id, void (*)(plugin_id, struct qemu_plugin_tb *));
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);
uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *, size_t);
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *);
/* The enumerations: no register is touched (0); add to a 64-bit word (0). */
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *,
					    void (*)(unsigned int, void *), int, void *);
#if API < 3
const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *);
void qemu_plugin_register_vcpu_tb_exec_inline(struct qemu_plugin_tb *, int, void *, uint64_t);
#else
size_t qemu_plugin_insn_data(const struct qemu_plugin_insn *, void *, size_t);
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *,
					  void (*)(unsigned int, void *), int, void *);
#endif

__attribute__((visibility("default"))) int qemu_plugin_version = API;

struct block {
	uint64_t address;
	uint64_t instructions;	/* since it was first translated */
	uint64_t before;	/* of these, when the counting began */
	uint64_t counted;
	struct block *next;
};

#define BUCKETS 65536
static struct block *buckets[BUCKETS];
static FILE *output;

/* nopl disp32(%rax), with a displacement that says what it is. */
#define MARK_BYTES 7
static const uint8_t MARKS[2][MARK_BYTES] = {
	{ 0x0f, 0x1f, 0x80, 0x01, 0x73, 0x6b, 0x00 },
	{ 0x0f, 0x1f, 0x80, 0x02, 0x73, 0x6b, 0x00 },
};

static void *made(size_t size)
{
	void *memory = calloc(1, size);

	if (!memory)
		abort();
	return memory;
}

static struct block *block_at(uint64_t address)
{
	struct block **place = &buckets[(address ^ address >> 16) % BUCKETS];

	while (*place && (*place)->address != address)
		place = &(*place)->next;
	if (!*place) {
		*place = made(sizeof(**place));
		(*place)->address = address;
	}
	return *place;
}

static void begin(unsigned int vcpu, void *unused)
{
	for (size_t i = 0; i < BUCKETS; i++)
		for (struct block *block = buckets[i]; block; block = block->next)
			block->before = block->instructions;
}

static void end(unsigned int vcpu, void *unused)
{
	rewind(output);
	for (size_t i = 0; i < BUCKETS; i++)
		for (struct block *block = buckets[i]; block; block = block->next) {
			block->counted += block->instructions - block->before;
			block->before = block->instructions;
			if (block->counted)
				fprintf(output, "%lx %lx\n", block->address, block->counted);
		}
	fflush(output);
}

#if API < 3
static void count_each_run(struct qemu_plugin_tb *tb, struct block *block, size_t count)
{
	qemu_plugin_register_vcpu_tb_exec_inline(tb, 0, &block->instructions, count);
}

static bool is_mark(const struct qemu_plugin_insn *insn, const uint8_t *mark)
{
	return !memcmp(qemu_plugin_insn_data(insn), mark, MARK_BYTES);
}
#else
/* A block may be translated anew, to another length; the counting clock has one thread run all. */
struct translation {
	struct block *block;
	size_t count;
};

static void run(unsigned int vcpu, void *translation)
{
	struct translation *it = translation;

	it->block->instructions += it->count;
}

static void count_each_run(struct qemu_plugin_tb *tb, struct block *block, size_t count)
{
	struct translation *it = made(sizeof(*it));

	*it = (struct translation) { block, count };
	qemu_plugin_register_vcpu_tb_exec_cb(tb, run, 0, it);
}

static bool is_mark(const struct qemu_plugin_insn *insn, const uint8_t *mark)
{
	uint8_t data[MARK_BYTES];

	qemu_plugin_insn_data(insn, data, sizeof(data));
	return !memcmp(data, mark, sizeof(data));
}
#endif

static void translated(plugin_id id, struct qemu_plugin_tb *tb)
{
	size_t count = qemu_plugin_tb_n_insns(tb);

	count_each_run(tb, block_at(qemu_plugin_tb_vaddr(tb)), count);
	for (size_t i = 0; i < count; i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);

		if (qemu_plugin_insn_size(insn) != MARK_BYTES)
			continue;
		if (is_mark(insn, MARKS[0]))
			qemu_plugin_register_vcpu_insn_exec_cb(insn, begin, 0, NULL);
		else if (is_mark(insn, MARKS[1]))
			qemu_plugin_register_vcpu_insn_exec_cb(insn, end, 0, NULL);
	}
}

__attribute__((visibility("default")))
int qemu_plugin_install(plugin_id id, const struct qemu_info *info, int argc, char **argv)
{
	if (argc != 1 || strncmp(argv[0], "output=", 7))
		return 1;
	output = fopen(argv[0] + 7, "w");
	if (!output)
		return 1;
	qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
	return 0;
}
