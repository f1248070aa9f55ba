import Testing

/// The rules about modules, words, invariants and documentation.
@Suite struct TextTests {
    @Test func modulesImportWhatIsBelow() {
        MadeUpTree([
            "Sources/PmemPlaces/Facts/Facts.swift": """
            import CPmem
            import Foundation
            import PmemKV  //! modules
            internal import struct PmemKV.Slot  //! modules
            // import PmemKV
            let text = "import PmemKV"
            """,
            "Sources/PmemKVText/Hex.swift": """
            import PmemPlaces  //! modules
            import CPmem  //! modules
            import Glibc
            """,
            "Sources/pmemkv-cli/Get.swift": """
            import ArgumentParser
            import CPmem  //! modules
            import PmemKV
            @preconcurrency import PmemKVTesting  //! modules
            import PmemKVText
            """,
            "Sources/pmemkv-server/Server.swift": """
            import PmemKV  //! modules
            """,
            "Tests/CLITests/Any.swift": "import PmemKVTesting\nimport CPmem\n",
        ]).expectOffenders()
    }

    @Test func roomsImportWhatTheirLayerKnows() {
        MadeUpTree([
            "Sources/PmemKV/Index/Table.swift": """
            import CPmem
            import Glibc  //! modules
            import PmemPlaces  //! modules
            """,
            "Sources/PmemKV/Format/Record.swift": "import func Glibc.open  //! modules\n",
            "Sources/PmemKV/Log/Head.swift": """
            #if canImport(Glibc)
                import Glibc  //! modules
            #endif
            import CLibPmem  //! modules
            import PmemKVTesting  //! modules
            """,
            "Sources/PmemKV/Media/Pool.swift": """
            import CLibPmem
            import Glibc
            @_exported import PmemPlaces
            """,
            "Sources/PmemKV/Store/Face.swift": "import PmemPlaces\n",
        ]).expectOffenders()
    }

    @Test func nothingIsLeftForLater() {
        MadeUpTree([
            "Tests/A.swift": #"""
            // TODO: later  //! words
            /* First,
               FIXME  //! words
             */
            let name = "/tmp/TODO-XXXXXX"  // of XXXXXX
            let XXX = 1  //! words
            // METHODTODO, TODOS and todo are others.
            """#,
            "Sources/CPmem/a.c": #"""
            char path[] = "TODO"; /* XXX later */ //! words
            """#,
            "docs/plan.md": "To do\nA TODO. //! words\n",
            "scripts/test": "mktemp -d /tmp/x.XXXXXX\n# FIXME //! words\n",
        ]).expectOffenders()
    }

    @Test func invariantsStandInTheCrashModel() {
        MadeUpTree([
            "Tests/A.swift": #"""
            // I1 and (I12) hold; so does IO1, and I8a, and "I".
            // I2 does not.  //! invariants
            let I7 = "I9"
            /* Neither
               I3.  //! invariants
             */
            """#,
            "Sources/CPmem/a.c": "int I4; // I123: nobody knows. //! invariants\n",
            "docs/other.md": "I99 is not cited by code.\n",
        ]).expectOffenders()
    }

    @Test func linksLeadSomewhere() {
        MadeUpTree([
            "Sources/PmemKV/Log/Head.swift": """
            /// ``Head``, ``Head/own``, ``Head/Place``, ``Head/Place/line``, ``Place/line``,
            /// ``own``, ``Head/take(_:at:)``, ``PmemKV``, ``Device``, `Gone`, ```Gone```
            struct Head { enum Place { case line }; let own = 1 }
            /// ``Gone`` //! documentation
            extension Head { func take(_ count: Int, at line: Int) {} }
            // ``Head/gone`` and ``Head/own``. //! documentation
            let text = "``Gone``"
            """,
            "Sources/PmemKV/Documentation.docc/PmemKV.md": """
            - ``Head``
            - ``Gone/own`` //! documentation
            """,
            "Sources/PmemPlaces/Facts/Device.swift": "/// ``Gone``\nstruct Device {}\n",
        ]).expectOffenders()
    }
}
