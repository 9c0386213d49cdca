// White alumina: a ball bearing of rings and balls, and loose balls.
#include "studio.inc"
Studio(<-2.6, 4.4, -7.2>, <0.2, 1.3, -0.1>, 48, <0.62, 0.72, 0.84>)

#declare Alumina = texture {
  pigment { rgb <0.92, 0.91, 0.87> }
  finish {
    diffuse 0.78 specular 0.5 roughness 0.01
    reflection { 0.02, 0.3 fresnel on } conserve_energy
  }
}

#declare Bearing = union {
  difference {                 // outer ring
    lathe {
      linear_spline 9
      <1.45, -0.42>, <1.74, -0.42>, <1.8, -0.36>, <1.8, 0.36>, <1.74, 0.42>, <1.45, 0.42>, <1.41, 0.38>, <1.41, -0.38>, <1.45, -0.42>
    }
    torus { 1.2, 0.315 }
  }
  difference {                 // inner ring
    lathe {
      linear_spline 9
      <0.68, -0.42>, <0.95, -0.42>, <0.99, -0.38>, <0.99, 0.38>, <0.95, 0.42>, <0.68, 0.42>, <0.63, 0.37>, <0.63, -0.37>, <0.68, -0.42>
    }
    torus { 1.2, 0.315 }
  }
  #declare I = 0;
  #while (I < 11)
    sphere { <1.2, 0, 0>, 0.3 rotate y*(360/11)*I }
    #declare I = I + 1;
  #end
  texture { Alumina }
  interior { ior 1.76 }
}

object { Bearing rotate x*-90 rotate x*14 rotate y*24 translate <-0.55, 1.82, 0.7> }
union {
  sphere { <1.55, 0.48, -0.55>, 0.48 }
  sphere { <2.35, 0.40, 0.15>, 0.40 }
  sphere { <0.75, 0.34, -1.45>, 0.34 }
  sphere { <1.55, 0.30, -1.55>, 0.30 }
  sphere { <2.15, 0.26, -1.05>, 0.26 }
  sphere { <-0.15, 0.24, -1.7>, 0.24 }
  texture { Alumina }
  interior { ior 1.76 }
}
difference {                   // loose ring
  intersection {
    cylinder { 0, y*0.3, 0.65 }
    Chamfer_Disc(0.62, 0.3, 0.05)
  }
  cylinder { -y, y*2, 0.42 }
  texture { Alumina }
  interior { ior 1.76 }
  translate <-1.55, 0, -1.35>
}
