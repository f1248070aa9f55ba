// On-media structures of a pool, format version 1. docs/format.md describes every byte.
//
// All integers are little-endian, all structures are naturally aligned, and every size and
// offset is asserted below: Swift promises no layout, C does. Nothing outside Sources/PmemKV/Format
// and this header knows a byte position.
#ifndef CPMEM_FORMAT_H
#define CPMEM_FORMAT_H

#include <stddef.h>
#include <stdint.h>

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the pool format is little-endian and is accessed in place"
#endif

#define CPMEM_LINE 64
#define CPMEM_FORMAT_VERSION 1

// Features of a pool that a program has to know, as bits of incompatible_features.

/// Batches may go on from one extent to another.
#define CPMEM_FEATURE_SPANNING_BATCHES 1ULL
/// There are, or were, named tables: records with an extension, and a catalog.
#define CPMEM_FEATURE_TABLES 2ULL
/// The pool is being filled, and what it holds is not all.
#define CPMEM_FEATURE_INCOMPLETE (1ULL << 63)

// 0x89 'P' 'M' 'K' 'V' CR LF 0x1A, read as a little-endian integer: text-mode copies break it.
static const uint64_t CPMEM_MAGIC = UINT64_C(0x1A0A0D564B4D5089);
static const uint64_t CPMEM_SUMMARY_MAGIC = UINT64_C(0x5952414D4D555331); // "1SUMMARY"
static const uint64_t CPMEM_CHECKPOINT_MAGIC = UINT64_C(0x314B434548434B50); // "PKCHECK1"

#define CPMEM_SUPERBLOCK_STRIDE 4096
#define CPMEM_TABLE_OFFSET 8192
static const uint64_t CPMEM_NO_CHECKPOINT = UINT64_MAX;

enum cpmem_pool_state { CPMEM_POOL_OPEN = 0, CPMEM_POOL_CLEAN = 1 };

// One of two copies, at 0 and at CPMEM_SUPERBLOCK_STRIDE. A copy counts only when its checksum
// holds; of two valid copies the one with the higher update_counter counts.
struct cpmem_superblock {
    uint64_t magic;
    uint32_t version;
    uint32_t checksum;
    uint64_t incompatible_features;
    uint64_t compatible_features;
    uint64_t pool_id;
    uint64_t pool_size;
    uint64_t segment_size;
    uint64_t segment_count;
    uint64_t table_offset;
    uint64_t data_offset;
    uint64_t update_counter;
    uint64_t sequence_limit;
    uint64_t checkpoint_segment;
    uint64_t checkpoint_generation;
    uint64_t checkpoint_length;
    uint64_t state;
    uint64_t created;
    uint64_t segment_limit;
    uint64_t reserved[14];
};
_Static_assert(sizeof(struct cpmem_superblock) == 256, "superblock size");
_Static_assert(offsetof(struct cpmem_superblock, magic) == 0, "magic");
_Static_assert(offsetof(struct cpmem_superblock, incompatible_features) == 16, "incompatible");
_Static_assert(offsetof(struct cpmem_superblock, compatible_features) == 24, "compatible_features");
_Static_assert(offsetof(struct cpmem_superblock, pool_size) == 40, "pool_size");
_Static_assert(offsetof(struct cpmem_superblock, segment_size) == 48, "segment_size");
_Static_assert(offsetof(struct cpmem_superblock, segment_count) == 56, "segment_count");
_Static_assert(offsetof(struct cpmem_superblock, data_offset) == 72, "data_offset");
_Static_assert(offsetof(struct cpmem_superblock, update_counter) == 80, "update_counter");
_Static_assert(offsetof(struct cpmem_superblock, checkpoint_segment) == 96, "checkpoint_segment");
_Static_assert(offsetof(struct cpmem_superblock, checkpoint_generation) == 104, "generation");
_Static_assert(offsetof(struct cpmem_superblock, checkpoint_length) == 112, "checkpoint_length");
_Static_assert(offsetof(struct cpmem_superblock, created) == 128, "created");
_Static_assert(offsetof(struct cpmem_superblock, version) == 8, "version");
_Static_assert(offsetof(struct cpmem_superblock, checksum) == 12, "checksum");
_Static_assert(offsetof(struct cpmem_superblock, pool_id) == 32, "pool_id");
_Static_assert(offsetof(struct cpmem_superblock, table_offset) == 64, "table_offset");
_Static_assert(offsetof(struct cpmem_superblock, sequence_limit) == 88, "sequence_limit");
_Static_assert(offsetof(struct cpmem_superblock, state) == 120, "state");
_Static_assert(offsetof(struct cpmem_superblock, segment_limit) == 136, "segment_limit");
_Static_assert(offsetof(struct cpmem_superblock, reserved) == 144, "reserved");

// One line of the segment table. All words are self-certifying and change by one aligned
// 8-byte store; docs/format.md gives their bits.
struct cpmem_segment_line {
    uint64_t life;
    uint64_t seal;
    uint64_t tail;
    uint64_t reserved[5];
};
_Static_assert(sizeof(struct cpmem_segment_line) == CPMEM_LINE, "segment line size");
_Static_assert(offsetof(struct cpmem_segment_line, life) == 0, "life");
_Static_assert(offsetof(struct cpmem_segment_line, reserved) == 24, "reserved");
_Static_assert(offsetof(struct cpmem_segment_line, seal) == 8, "seal");
_Static_assert(offsetof(struct cpmem_segment_line, tail) == 16, "tail");

// A record: this header, an extension of one word where the kind says so, the key, the value,
// zeroes to the next multiple of CPMEM_LINE.
struct cpmem_record {
    uint32_t header_checksum;
    uint32_t value_checksum;
    uint64_t sequence;
    uint32_t durable_units;
    uint32_t batch_remaining;
    uint64_t shape;
};
_Static_assert(sizeof(struct cpmem_record) == 32, "record header size");
_Static_assert(offsetof(struct cpmem_record, header_checksum) == 0, "header_checksum");
_Static_assert(offsetof(struct cpmem_record, value_checksum) == 4, "value_checksum");
_Static_assert(offsetof(struct cpmem_record, sequence) == 8, "sequence");
_Static_assert(offsetof(struct cpmem_record, durable_units) == 16, "durable_units");
_Static_assert(offsetof(struct cpmem_record, batch_remaining) == 20, "batch_remaining");
_Static_assert(offsetof(struct cpmem_record, shape) == 24, "shape");

/// The extension: the number of the record's table in bits 0-15, the others zero.
#define CPMEM_EXTENSION_SIZE 8
/// Of the catalog, whose keys are the numbers of tables.
#define CPMEM_CATALOG_TABLE 0xFFFF

// The value of a catalog record, with the table's name behind it.
struct cpmem_table {
    uint64_t floor;
    uint64_t state;
};
_Static_assert(sizeof(struct cpmem_table) == 16, "table size");
_Static_assert(offsetof(struct cpmem_table, floor) == 0, "floor");
_Static_assert(offsetof(struct cpmem_table, state) == 8, "table state");

enum cpmem_table_state { CPMEM_TABLE_DROPPED = 0, CPMEM_TABLE_ALIVE = 1 };

// The summary of a sealed extent stands right behind its last record.
struct cpmem_summary {
    uint64_t magic;
    uint32_t checksum;
    uint32_t count;
    uint64_t minimum_sequence;
    uint64_t maximum_sequence;
    uint64_t reserved[4];
};
_Static_assert(sizeof(struct cpmem_summary) == CPMEM_LINE, "summary header size");
_Static_assert(offsetof(struct cpmem_summary, magic) == 0, "magic");
_Static_assert(offsetof(struct cpmem_summary, checksum) == 8, "checksum");
_Static_assert(offsetof(struct cpmem_summary, count) == 12, "count");
_Static_assert(offsetof(struct cpmem_summary, minimum_sequence) == 16, "minimum_sequence");
_Static_assert(offsetof(struct cpmem_summary, maximum_sequence) == 24, "maximum_sequence");

struct cpmem_summary_entry {
    uint64_t key_hash;
    uint64_t sequence;
    uint32_t offset_units;
    uint32_t kind_and_units;
};
_Static_assert(sizeof(struct cpmem_summary_entry) == 24, "summary entry size");
_Static_assert(offsetof(struct cpmem_summary_entry, key_hash) == 0, "key_hash");
_Static_assert(offsetof(struct cpmem_summary_entry, sequence) == 8, "sequence");
_Static_assert(offsetof(struct cpmem_summary_entry, kind_and_units) == 20, "kind_and_units");
_Static_assert(offsetof(struct cpmem_summary_entry, offset_units) == 16, "offset_units");

// An index checkpoint fills an extent of its own: this header, the segment statistics, the
// shard states, the keys of each named table, the buckets, the overflow buckets; each section
// starts on a line.
struct cpmem_checkpoint {
    uint64_t magic;
    uint32_t checksum;
    uint32_t reserved0;
    uint64_t length;
    uint64_t key_count;
    uint64_t shard_count;
    uint64_t bucket_count;
    uint64_t overflow_count;
    uint64_t segment_count;
    uint64_t next_sequence;
    uint64_t base_bits;
    uint64_t table_count;
    uint64_t reserved[5];
};
_Static_assert(sizeof(struct cpmem_checkpoint) == 128, "checkpoint header size");
_Static_assert(offsetof(struct cpmem_checkpoint, magic) == 0, "magic");
_Static_assert(offsetof(struct cpmem_checkpoint, key_count) == 24, "key_count");
_Static_assert(offsetof(struct cpmem_checkpoint, shard_count) == 32, "shard_count");
_Static_assert(offsetof(struct cpmem_checkpoint, bucket_count) == 40, "bucket_count");
_Static_assert(offsetof(struct cpmem_checkpoint, overflow_count) == 48, "overflow_count");
_Static_assert(offsetof(struct cpmem_checkpoint, segment_count) == 56, "segment_count");
_Static_assert(offsetof(struct cpmem_checkpoint, next_sequence) == 64, "next_sequence");
_Static_assert(offsetof(struct cpmem_checkpoint, checksum) == 8, "checkpoint checksum");
_Static_assert(offsetof(struct cpmem_checkpoint, length) == 16, "checkpoint length");
_Static_assert(offsetof(struct cpmem_checkpoint, base_bits) == 72, "checkpoint base_bits");
_Static_assert(offsetof(struct cpmem_checkpoint, table_count) == 80, "checkpoint table_count");

struct cpmem_checkpoint_segment {
    uint32_t generation;
    uint32_t covered_units;
    uint64_t live_units;
    uint64_t tombstone_units;
    uint64_t oldest_dead;
};
_Static_assert(sizeof(struct cpmem_checkpoint_segment) == 32, "checkpoint segment size");
_Static_assert(offsetof(struct cpmem_checkpoint_segment, generation) == 0, "generation");
_Static_assert(offsetof(struct cpmem_checkpoint_segment, covered_units) == 4, "covered_units");
_Static_assert(offsetof(struct cpmem_checkpoint_segment, tombstone_units) == 16, "tombstone_units");
_Static_assert(offsetof(struct cpmem_checkpoint_segment, oldest_dead) == 24, "oldest_dead");
_Static_assert(offsetof(struct cpmem_checkpoint_segment, live_units) == 8, "live_units");

struct cpmem_checkpoint_shard {
    uint64_t word;
    uint64_t items;
    uint64_t free_list;
};
_Static_assert(sizeof(struct cpmem_checkpoint_shard) == 24, "checkpoint shard size");
_Static_assert(offsetof(struct cpmem_checkpoint_shard, word) == 0, "word");
_Static_assert(offsetof(struct cpmem_checkpoint_shard, items) == 8, "items");
_Static_assert(offsetof(struct cpmem_checkpoint_shard, free_list) == 16, "free_list");

#endif
