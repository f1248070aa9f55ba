import Testing

/// The rules about what only Format may know of the medium.
@Suite struct MediumTests {
    private let offender = """
        let record: cpmem_record  //! format names
        extension cpmem_record {}  //! format names
        let kind = CPMEM_RECORD_PUT.rawValue  //! format names
        let size = Int(CPMEM_LINE)  //! format names
        let word = cpmem_shape(1)  //! format names
        // A cpmem_record is named here.
        let same = cpmem_same_bytes(left, right) ? "cpmem_record" : #"CPMEM_LINE"#
        let own = Int(CPMEM_FORMAT_H)
        """

    @Test func structuresAreNamedInFormat() {
        let innocent = offender.replacing("//! format names", with: "")
        MadeUpTree([
            "Sources/PmemKV/Format/Record.swift": innocent,
            "Sources/PmemKV/Log/Append.swift": "private enum Log {\n\(offender)\n}\n",
            "Sources/PmemPlaces/Facts/Facts.swift": offender,
            "Sources/PmemKVTesting/BitFlips.swift": innocent,
            "Tests/PmemKVTests/RecordTests.swift": innocent,
        ]).expectOffenders()
    }

    @Test func headersThatAreGoneAreNoticed() {
        MadeUpTree([
            "Sources/CPmem/include/cpmem_format.h": "",
            "Sources/CPmem/include/cpmem_record.h": "static inline bool cpmem_same_bytes(void);",
            "Sources/PmemKV/Log/Append.swift": "let record: cpmem_record\n",
        ]).expectOffenders(inFiles: [
            "Sources/CPmem/include/cpmem_format.h:0: format names",
            "Sources/CPmem/include/cpmem_record.h:0: format names",
        ])
    }

    private let positions = """
        func use() {
            let a = bytes.load(fromByteOffset: 8, as: UInt64.self)  //! byte positions
            let b = bytes.loadUnaligned(fromByteOffset: at + 8, as: UInt32.self)  //! byte positions
            let c = bytes.load(
                fromByteOffset: start(of: number) + number * 24,  //! byte positions
                as: UInt64.self)
            buffer.storeBytes(of: word, toByteOffset: 0, as: UInt64.self)  //! byte positions
            let d = (words + 8).load(as: UInt64.self)  //! byte positions
            let e = (words - 0x10).assumingMemoryBound(to: Int.self)  //! byte positions
            let f = base.advanced(by: 40)  //! byte positions
            medium.store(word, to: geometry.line(ofSegment: 3) + 16)  //! byte positions
            let g = buffer.baseAddress! &+ 1_024  //! byte positions
            let h = pool.offset - 12  //! byte positions
        }
        """

    @Test func bytePositionsAreNoNumbers() {
        let innocent = positions.replacing("//! byte positions", with: "")
        MadeUpTree([
            "Sources/PmemKV/Log/A.swift": positions.replacing("use", with: "log"),
            "Sources/PmemKV/Media/B.swift": positions.replacing("use", with: "media"),
            "Sources/PmemKV/Space/C.swift": positions.replacing("use", with: "space"),
            "Sources/PmemKV/Recovery/D.swift": positions.replacing("use", with: "recovery"),
            "Sources/PmemKV/Store/E.swift": positions.replacing("use", with: "store"),
            "Sources/PmemKV/Format/F.swift": innocent.replacing("use", with: "format"),
            "Sources/PmemKV/Index/G.swift": innocent.replacing("use", with: "index"),
            "Sources/PmemKV/Support/H.swift": innocent.replacing("use", with: "support"),
            "Sources/PmemKVTesting/BitFlips.swift": innocent,
        ]).expectOffenders()
    }

    @Test func otherNumbersAreFree() {
        MadeUpTree([
            "Sources/PmemKV/Log/A.swift": #"""
            func use() {
                let a = bytes.load(fromByteOffset: (number - 1) * Geometry.line, as: UInt64.self)
                let b = bytes.load(as: Header.self)
                buffer.storeBytes(of: 64, toByteOffset: Layout.tail, as: UInt64.self)
                let c = (bytes + 63) & ~63
                let d = keys.count + 1024
                let e = limit - 16
                let f = "fromByteOffset: 8" + "\(base) + 16"  // base + 16
                let g = stride(from: 0, to: 640, by: 64)
                let h = (words + size).load(as: UInt64.self)
                let i = offset + 8
            }
            """#
        ]).expectOffenders()
    }
}
