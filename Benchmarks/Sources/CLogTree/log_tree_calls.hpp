/*
 * The calls, written once for both libraries. `Library` names the types of one, and has its open
 * and its get: the calls that differ.
 */
#pragma once
#include "log_tree.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <memory>
#include <string>

template <class Library> struct LogTree {
    using Slice = typename Library::Slice;
    using Status = typename Library::Status;

    struct Tree {
        typename Library::Parts parts; /* what the database uses goes after it */
        std::unique_ptr<typename Library::DB> db;
        std::atomic<bool> sync{true};
    };

    struct Reader {
        Tree *owner;
        typename Library::ReadBuffer value;
    };

    static inline thread_local std::string last_error;

    static int outcome(const Status &status) {
        if (status.ok()) return 0;
        if (status.IsNotFound()) return 1;
        last_error = status.ToString();
        return -1;
    }

    static Slice slice(const void *bytes, size_t size) {
        return Slice(static_cast<const char *>(bytes), size);
    }

    static void *open(const char *path, const log_tree_options *options) {
        auto made = std::make_unique<Tree>();
        typename Library::DB *db = nullptr;
        if (outcome(Library::open(path, *options, made->parts, &db)) != 0) return nullptr;
        made->db.reset(db);
        return made.release();
    }

    static void close(void *tree) { delete static_cast<Tree *>(tree); }
    static void set_sync(void *tree, bool sync) { static_cast<Tree *>(tree)->sync = sync; }
    static const char *error() { return last_error.c_str(); }

    static void *reader_new(void *tree) {
        auto made = std::make_unique<Reader>();
        made->owner = static_cast<Tree *>(tree);
        return made.release();
    }

    static void reader_free(void *reader) { delete static_cast<Reader *>(reader); }

    static auto write_options(const Tree *tree) {
        typename Library::WriteOptions options;
        options.sync = tree->sync.load(std::memory_order_relaxed);
        return options;
    }

    static int put(void *handle, const void *key, size_t key_size, const void *value,
                   size_t value_size) {
        auto tree = static_cast<Tree *>(handle);
        return outcome(tree->db->Put(write_options(tree), slice(key, key_size),
                                     slice(value, value_size)));
    }

    static int remove(void *handle, const void *key, size_t key_size) {
        auto tree = static_cast<Tree *>(handle);
        return outcome(tree->db->Delete(write_options(tree), slice(key, key_size)));
    }

    static int get(void *handle, const void *key, size_t key_size, void *buffer, size_t capacity,
                   size_t *value_size) {
        auto reader = static_cast<Reader *>(handle);
        auto &value = reader->value;
        Status status = Library::get(reader->owner->db.get(), slice(key, key_size), &value);
        if (!status.ok()) return outcome(status);
        *value_size = value.size();
        std::memcpy(buffer, value.data(), std::min(capacity, value.size()));
        return 0;
    }

    static long scan(void *handle, const void *from, size_t from_size, long limit,
                     log_tree_visit visit, void *context) {
        std::unique_ptr<typename Library::Iterator> cursor(
            static_cast<Reader *>(handle)->owner->db->NewIterator(Library::read_options()));
        if (from == nullptr) cursor->SeekToFirst();
        else cursor->Seek(slice(from, from_size));
        long visited = 0;
        for (; visited < limit && cursor->Valid(); cursor->Next()) {
            Slice key = cursor->key(), value = cursor->value();
            visit(context, key.data(), key.size(), value.data(), value.size());
            visited++;
        }
        return outcome(cursor->status()) == 0 ? visited : -1;
    }

    static constexpr log_tree_calls calls = {open, close,  set_sync, error, reader_new, reader_free,
                                             put,  remove, get,      scan};
};
